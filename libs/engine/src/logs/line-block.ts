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

/** By itself, since a look-up of Math for each word is slow where modules run in a context of their own, as in tests. */
const { imul } = Math;

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

/**
 * How many newlines are in `bytes`. Four bytes at a time: a byte of the word is a newline where its difference to one is zero, and of
 * those the highest bit is left standing (exact, whatever the neighbours are), to be added up by one multiplication.
 */
export function countNewlines(bytes: Buffer): number {
  const lead = Math.min(bytes.length, -bytes.byteOffset & 3);
  const wordCount = (bytes.length - lead) >> 2;
  let count = 0;
  for (let at = 0; at < lead; at += 1) if (bytes[at] === NEWLINE) count += 1;
  for (let at = lead + 4 * wordCount; at < bytes.length; at += 1) if (bytes[at] === NEWLINE) count += 1;
  if (wordCount === 0) return count;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + lead, wordCount);
  for (let index = 0; index < wordCount; index += 1) {
    const word = words[index]! ^ 0x0a0a0a0a;
    const zeros = ~(((word & 0x7f7f7f7f) + 0x7f7f7f7f) | 0 | word | 0x7f7f7f7f);
    count += imul(zeros >>> 7, 0x01010101) >>> 24;
  }
  return count;
}
