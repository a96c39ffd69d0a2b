// Follows a build's log to its end as a row of events. Pulled: nothing is read from the store before the reader has taken what was read.
import type { BuildId } from '#core/ids.js';
import { isFinal, type BuildStatus, type PhaseType } from '#core/phase.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { BuildChange, Listener } from '#store/listen.js';
import type { LogsStore } from '#store/logs.store.js';
import { toLineView } from './log.dto.js';
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

/**
 * In: the first sequence number that the reader has not; a signal that ends it when the reader has gone.
 * Out: `lines` in order without gap or repeat, `status` whenever it changed, at the end exactly one `end`.
 * Errors: the store's (Refusal BUILD_NOT_FOUND when it was deleted meanwhile, Fault DATABASE_UNAVAILABLE); the signal's reason.
 */
export async function* followLog(
  sources: LogSources,
  request: { buildId: BuildId; fromSeq: number; signal: AbortSignal; pollMs?: number },
): AsyncGenerator<StreamEvent, void, void> {
  const { buildId, signal, pollMs = POLL_MS } = request;
  const bell = new Bell();
  const unsubscribe = sources.listener.onChange(buildId, (change) => bell.ring(change.kind));
  try {
    let state: Standing | null = null;
    let next = request.fromSeq;
    for (;;) {
      signal.throwIfAborted();
      bell.listen(); // before reading: a change that comes while we read is heard
      // The status is read before the lines: a final one means that no line follows those read after it.
      const now = await standing(sources, buildId);
      if (state !== null && state.attempt > 0 && now.attempt !== state.attempt) {
        next = 0;
        yield { event: 'attempt', data: { attempt: now.attempt } };
      }
      if (now.status !== state?.status || now.phase !== state.phase) {
        yield { event: 'status', data: { buildStatus: now.status, currentPhase: now.phase } };
      }
      state = now;
      do {
        next = yield* readOn(sources, { buildId, attempt: now.attempt, next, signal });
        if (isFinal(now.status)) return yield await endOf(sources, buildId, now);
      } while (await bell.onlyLines(pollMs, signal));
    }
  } finally {
    unsubscribe();
  }
}

interface Standing {
  status: BuildStatus;
  phase: PhaseType;
  attempt: number;
}

async function standing(sources: LogSources, buildId: BuildId): Promise<Standing> {
  const { status, currentPhase, attempt } = await sources.builds.get(buildId);
  return { status, phase: currentPhase, attempt };
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
    yield { event: 'lines', id: last.seq, data: { lines: page.lines.map(toLineView) } };
    signal.throwIfAborted();
  }
}

async function endOf(sources: LogSources, buildId: BuildId, { status, attempt }: Standing): Promise<StreamEvent> {
  const { lineCount, seal } = await sources.logs.size(buildId, attempt);
  return {
    event: 'end',
    data: {
      buildStatus: status,
      lineCount,
      sha256: seal?.sha256 ?? null,
      complete: seal !== null && seal.cut !== true,
    },
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
