// What the terminal shows: one short line per fact, with the time since the start. Diagnostics of the parts go to files instead.

/** Says one line. */
export type Say = (line: string) => void;

/**
 * Makes the speaker of this run.
 * In: where the clock started (ms since the epoch, so that scripts/start.mjs and this agree). Out: lines as `  1.4 s  text`.
 */
export function newSay(
  startedAtMs: number,
  write: (text: string) => void = (text) => process.stdout.write(text),
  nowMs = Date.now,
): Say {
  return (line) => write(`${elapsed(nowMs() - startedAtMs)}  ${line}\n`);
}

/** `   0.4 s`, ` 75.0 s`: seconds with one digit, seven wide. */
export function elapsed(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1).padStart(5)} s`;
}

/** Something that the person at the terminal must mend; shown without a stack. `message` says what is missing and how to get it. */
export class SetupError extends Error {
  constructor(message: string, options?: { cause: unknown }) {
    super(message, options);
    this.name = 'SetupError';
  }
}
