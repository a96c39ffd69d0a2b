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

/**
 * Where in a container's raw output its log goes on behind a stored chunk: what a worker that adopts the build starts from.
 * All of it is about the stations of libs/engine/src/logs; nothing of a secret is in it.
 */
export interface SourcePoint {
  /** Offset in the raw output of the first byte to read again. */
  at: number;
  /** Of the bytes that the masked output has from there on, how many are stored already. */
  skip: number;
  /** Bytes from `at` on whose stars are out; more secret behind them adds none. Null: what lies before `at` is no secret. */
  starred: number | null;
  /** Bytes of the mark of Kilnyard's own lines that lie before `at` and are undecided. */
  mark: number;
  /** The masked output before `at`, without the mark's bytes, ends a line. */
  lineStart: boolean;
  /** `head`: lines go through. `full`: the log is at its limit, only the end is kept. `tail`: what is left of that end goes through. */
  part: 'head' | 'full' | 'tail';
}

/** What of a log over its limit is lost before a point: the lines between head and tail. */
export interface LostLines {
  lines: number;
  bytes: number;
}

/** Where a log goes on that has a stored beginning. */
export interface StoredLog {
  /** Sequence number of the next line. */
  seq: number;
  /** Bytes of the raw log so far. */
  byte: number;
  /** Stream of the last stored line when it is open: the next one carries it on. */
  open: LogStream | null;
  /** Null while nothing of the container's output is stored. */
  source: SourcePoint | null;
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
  /** Where the container's output goes on behind this chunk; absent as long as there is none of it. */
  source?: SourcePoint;
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
