// Follows a build's log to its end as a row of events. Pulled: nothing is read from the store before the reader has taken what was read.
import type { BuildId } from '#core/ids.js';
import { isFinal, type BuildStatus, type PhaseType } from '#core/phase.js';
import type { BuildsStore } from '#store/builds.store.js';
import type { Listener } from '#store/listen.js';
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
  const unsubscribe = sources.listener.onChange(buildId, () => bell.ring());
  try {
    let state: Standing | null = null;
    let next = request.fromSeq;
    for (;;) {
      signal.throwIfAborted();
      bell.listen(); // before reading: a change that comes while we read is heard
      const seen: Standing = await standing(sources, buildId);
      if (state !== null && seen.attempt !== state.attempt && state.attempt > 0) {
        next = 0;
        yield { event: 'attempt', data: { attempt: seen.attempt } };
      }
      if (state === null || seen.status !== state.status || seen.phase !== state.phase) {
        yield { event: 'status', data: { buildStatus: seen.status, currentPhase: seen.phase } };
      }
      state = seen;
      // The status was read before the lines: a final one means that no line follows those read now.
      const read = yield* readOn(sources, { buildId, attempt: seen.attempt, next, signal });
      next = read.next;
      if (isFinal(seen.status)) return yield await endOf(sources, buildId, seen);
      await bell.heard(pollMs, signal);
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
): AsyncGenerator<StreamEvent, { next: number }, void> {
  const { buildId, attempt, signal } = at;
  let { next } = at;
  for (;;) {
    const page = await sources.logs.read({ buildId, attempt, fromSeq: next, limit: LINES_PER_EVENT });
    const last = page.lines.at(-1);
    if (last === undefined) return { next };
    next = page.nextSeq;
    yield { event: 'lines', id: last.seq, data: { lines: page.lines.map(toLineView) } };
    signal.throwIfAborted();
  }
}

async function endOf(sources: LogSources, buildId: BuildId, { status, attempt }: Standing): Promise<StreamEvent> {
  const { lineCount, seal } = await sources.logs.size(buildId, attempt);
  return {
    event: 'end',
    data: { buildStatus: status, lineCount, sha256: seal?.sha256 ?? null, complete: seal !== null },
  };
}

/** Remembers a change until someone waits for it. */
class Bell {
  private rung = false;
  private wake: (() => void) | null = null;

  ring(): void {
    this.rung = true;
    this.wake?.();
  }

  /** From here on changes count. */
  listen(): void {
    this.rung = false;
  }

  /** Resolves at a change since `listen`, or after `ms`. Errors: the signal's reason. */
  async heard(ms: number, signal: AbortSignal): Promise<void> {
    if (this.rung) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => resolve(), { once: true });
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
    signal.throwIfAborted();
  }
}
