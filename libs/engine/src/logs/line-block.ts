// What travels between the stations behind lines.ts: many lines in one piece, never one object per line.
import type { LogStream } from '#core/log-line.js';

/** Lines that follow each other and share time and stream. */
export interface LineBlock {
  /** Whole lines, each with its newline; or, when `open`, one line without. Valid until the call that got it has returned. */
  bytes: Buffer;
  lineCount: number;
  time: Date;
  stream: LogStream;
  /** One line that the next one carries on: cut for its length, or shown before its end. */
  open: boolean;
  /** How many of the bytes, from the first on, are of the container's output; the others were put in. */
  sourceBytes: number;
}

export const NEWLINE = 0x0a;

/** Index behind the `count`th newline from `from` on; the end of the bytes when there are fewer. */
export function skipLines(bytes: Buffer, from: number, count: number): number {
  let at = from;
  for (let left = count; left > 0; left -= 1) {
    const newline = bytes.indexOf(NEWLINE, at);
    if (newline === -1) return bytes.length;
    at = newline + 1;
  }
  return at;
}
