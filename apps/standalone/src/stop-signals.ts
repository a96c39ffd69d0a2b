// Ctrl-C and SIGTERM: the first asks for an orderly stop, a second one for a stop at once.
// npm passes a Ctrl-C on that the terminal has delivered already, so a repeat within a second is the same one.

const SAME_MS = 1_000;

export interface StopSignals {
  /** Aborted by the first signal. */
  stop: AbortSignal;
  /** Aborted by the second. */
  now: AbortSignal;
  dispose(): void;
}

export function listenForStop(
  onStop: (again: boolean) => void,
  source: Pick<NodeJS.EventEmitter, 'on' | 'off'> = process,
  nowMs = Date.now,
): StopSignals {
  const stop = new AbortController();
  const now = new AbortController();
  let firstAtMs: number | undefined;
  const hear = () => {
    if (firstAtMs === undefined) {
      firstAtMs = nowMs();
      onStop(false);
      stop.abort(new Error('stopped'));
    } else if (nowMs() - firstAtMs >= SAME_MS && !now.signal.aborted) {
      onStop(true);
      now.abort(new Error('stopped at once'));
    }
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) source.on(name, hear);
  return { stop: stop.signal, now: now.signal, dispose: () => names.forEach((name) => source.off(name, hear)) };
}
