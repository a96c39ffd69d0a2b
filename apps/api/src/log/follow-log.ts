// Follows a build's log to its end as a row of events. Pulled: nothing is read from the store before the reader has taken what was read.
import type { Build } from '#core/build.js';
import type { BuildId } from '#core/ids.js';
import { isFinal, type BuildStatus, type PhaseType } from '#core/phase.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { BuildChange, Listener } from '#store/listen.js';
import type { LogsStore } from '#store/logs.store.js';
import { toLineView } from './log.dto.js';
import { lineId, type LogPosition } from './log-position.js';
import type { StreamEvent } from './sse.js';

/** Without a notification the store is asked this often: one that was lost costs delay, never data. */
export const POLL_MS = 5000;
/** Lines of one event; bounds what one reader holds in memory. */
export const LINES_PER_EVENT = 1000;

export interface LogSources {
  builds: Pick<BuildsStore, 'get'>;
  logs: Pick<LogsStore, 'read' | 'size'>;
  listener: Pick<Listener, 'onChange'>;
}

/** `from` = the first line that the reader has not; `only` = that attempt and no later one; `signal` ends it when the reader has gone. */
export interface FollowRequest {
  buildId: BuildId;
  from: LogPosition;
  only?: boolean;
  signal: AbortSignal;
  pollMs?: number;
}

/**
 * Out: `lines` in order without gap or repeat, `status` whenever it changed, `attempt` between the last line of one attempt and the
 * first of the next, at the end exactly one `end`.
 * Errors: the store's (Refusal BUILD_NOT_FOUND when it was deleted meanwhile, Fault DATABASE_UNAVAILABLE); the signal's reason.
 */
export async function* followLog(sources: LogSources, request: FollowRequest): AsyncGenerator<StreamEvent, void, void> {
  const { buildId, signal, only = false, pollMs = POLL_MS } = request;
  const bell = new Bell();
  const unsubscribe = sources.listener.onChange(buildId, (change) => bell.ring(change.kind));
  try {
    let told: StatusData | null = null;
    let { attempt, seq: next } = request.from;
    const read = (): AsyncGenerator<StreamEvent, number, void> => readOn(sources, { buildId, attempt, next, signal });
    for (;;) {
      signal.throwIfAborted();
      bell.listen(); // before reading: a change that comes while we read is heard
      // The status is read before the lines: a final one means that no line follows those read after it.
      const build = await sources.builds.get(buildId);
      // what is behind the build's present attempt grows no more
      while (!only && attempt < build.attempt) {
        next = yield* read();
        yield { event: 'attempt', data: { attempt: attempt + 1, previous: await previousOf(sources, build, attempt) } };
        attempt += 1;
        next = 0;
      }
      const status = statusOf(build);
      if (!sameStatus(status, told)) yield { event: 'status', data: status };
      told = status;
      do {
        if (attempt <= build.attempt) next = yield* read();
        if (isFinal(build.status) || (only && wasFollowed(build, attempt)))
          return yield { event: 'end', data: await endOf(sources, build, Math.min(attempt, build.attempt), only) };
      } while (await bell.onlyLines(pollMs, signal));
    }
  } finally {
    unsubscribe();
  }
}

interface StatusData {
  buildStatus: BuildStatus;
  currentPhase: PhaseType;
  attempt: number;
}

function statusOf({ status, currentPhase, attempt }: Build): StatusData {
  return { buildStatus: status, currentPhase, attempt };
}

function sameStatus(one: StatusData, other: StatusData | null): boolean {
  return (
    one.buildStatus === other?.buildStatus && one.currentPhase === other.currentPhase && one.attempt === other.attempt
  );
}

/** Another attempt followed it, or will. */
function wasFollowed(build: Build, attempt: number): boolean {
  return build.attempts.some((one) => one.attempt === attempt && one.retriedAs !== null);
}

async function* readOn(
  sources: LogSources,
  at: { buildId: BuildId; attempt: number; next: number; signal: AbortSignal },
): AsyncGenerator<StreamEvent, number, void> {
  const { buildId, attempt, signal } = at;
  let { next } = at;
  for (;;) {
    const page = await sources.logs.read({ buildId, attempt, fromSeq: next, limit: LINES_PER_EVENT });
    const last = page.lines.at(-1);
    if (last === undefined) return next;
    next = page.nextSeq;
    yield { event: 'lines', id: lineId({ attempt, seq: last.seq }), data: { lines: page.lines.map(toLineView) } };
    signal.throwIfAborted();
  }
}

async function previousOf(sources: LogSources, build: Build, attempt: number): Promise<object> {
  const one = build.attempts.find((each) => each.attempt === attempt);
  const end = await endOf(sources, build, attempt, true);
  return { ...end, cause: one?.cause ?? null, message: one?.context?.message ?? '' };
}

/** `own` = tell the attempt's status, not the build's. */
async function endOf(sources: LogSources, build: Build, attempt: number, own: boolean): Promise<object> {
  const { lineCount, seal } = await sources.logs.size(build.id, attempt);
  const one = own ? build.attempts.find((each) => each.attempt === attempt) : undefined;
  return {
    attempt,
    buildStatus: one?.status ?? build.status,
    lineCount,
    sha256: seal?.sha256 ?? null,
    complete: seal !== null && seal.cut !== true,
  };
}

/** Remembers what changed until someone waits for it. */
class Bell {
  private rung: 'no' | 'log' | 'status' = 'no';
  private wake: (() => void) | null = null;

  ring(kind: BuildChange['kind']): void {
    if (kind === 'stop' || kind === 'released') return;
    if (this.rung !== 'status') this.rung = kind;
    this.wake?.();
  }

  /** From here on changes count anew. */
  listen(): void {
    this.rung = 'no';
  }

  /**
   * Resolves at a change since `listen`, or after `ms`: true (and listening anew) when only lines came, false when the status may have changed.
   * Errors: the signal's reason.
   */
  async onlyLines(ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.rung === 'no') {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.wake = null;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done);
        this.wake = done;
        if (signal.aborted) done();
      });
    }
    signal.throwIfAborted();
    if (this.rung !== 'log') return false;
    this.listen();
    return true;
  }
}
