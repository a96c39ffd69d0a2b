// A line of a build's output, and the chunk in which lines travel and lie. docs/log-line.md tells the way.

/** `system`: Kilnyard's own `[Container] …` lines. `stdout`: the build's output, both streams in the order written. `stderr`: only where output came by attach. */
export const LOG_STREAMS = ['system', 'stdout', 'stderr'] as const;
export type LogStream = (typeof LOG_STREAMS)[number];

export interface LogLine {
  /** 0-based, unique in the build's attempt; orders everything. */
  seq: number;
  /** When the worker read it. */
  time: Date;
  stream: LogStream;
  /** Without the newline; bytes that are no UTF-8 show as U+FFFD (the raw log has them as they were). */
  text: string;
  /** True when the next line carries on this one: an over-long line that was cut, or an unfinished one shown early. */
  continues: boolean;
}

/**
 * A run of lines with the same time and stream.
 * The bytes of a block are its lines, each with its newline, but for lines listed in `open`, which have none.
 */
export interface LineRun {
  count: number;
  time: Date;
  stream: LogStream;
}

/** Lines on their way to the store: masked, numbered. */
export interface LogChunk {
  /** Sequence number of the first line. */
  firstSeq: number;
  lineCount: number;
  /** Offset of the first byte in the attempt's raw log. */
  firstByte: number;
  /** The raw text: every line followed by one newline, but for those in `openLines`. Never compressed here. */
  bytes: Buffer;
  /** Covers all lines, in order; the counts add up to lineCount. */
  runs: LineRun[];
  /** Indexes (0-based within the chunk) of lines that `continue`: no newline follows them in `bytes`; empty for most chunks. */
  openLines: number[];
  /** For an open line, its length in bytes, in the order of openLines; a reader needs it to cut the text. */
  openLengths: number[];
}

/** What is known about a whole log once its last byte is stored. */
export interface LogSeal {
  lineCount: number;
  byteCount: number;
  /** SHA-256 of the raw log, hex. */
  sha256: string;
  /** True when the log was sealed without its worker: what the build wrote last may be missing. */
  cut?: boolean;
}
