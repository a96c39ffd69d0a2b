// How a LogChunk's lines are cut out again, and how its header (runs and open lines) lies in a column of the store.
// Pure: the store compresses and keeps, the API shows. docs/log-line.md tells the way.
import { Buffer } from 'node:buffer';
import { LOG_STREAMS, type LineRun, type LogChunk, type LogLine } from './log-line.js';

export type ChunkHeader = Pick<LogChunk, 'runs' | 'openLines' | 'openLengths'>;

const NEWLINE = 0x0a;
const HEADER_VERSION = 1;

/** Hears of one line: its number, its place in the chunk's bytes (without the newline), its run, and whether the next one carries it on. */
export type LineVisitor = (seq: number, from: number, to: number, run: LineRun, open: boolean) => void;

/**
 * Cuts a chunk into lines, in order.
 * In: `fromSeq` skips what lies before it, `limit` is the most lines that come out. Out: empty when the chunk has none of those.
 * Skipping walks over newlines and decodes no text. Errors: Error when bytes and header contradict each other.
 */
export function linesOf(chunk: LogChunk, fromSeq = chunk.firstSeq, limit = Infinity): LogLine[] {
  const lines: LogLine[] = [];
  walkLines(chunk, fromSeq, limit, (seq, from, to, { time, stream }, continues) => {
    lines.push({ seq, time, stream, text: chunk.bytes.toString('utf8', from, to), continues });
  });
  return lines;
}

/** The same without a text for each: for those who go on with bytes. */
export function walkLines(chunk: LogChunk, fromSeq: number, limit: number, visit: LineVisitor): void {
  const first = Math.max(0, fromSeq - chunk.firstSeq);
  const end = Math.min(chunk.lineCount, first + limit);
  let runIndex = 0;
  let runEnd = chunk.runs[0]?.count ?? 0;
  let openIndex = 0;
  let at = 0;
  for (let index = 0; index < end; index += 1) {
    while (index >= runEnd) runEnd += runAt(chunk, ++runIndex).count;
    const open = chunk.openLines[openIndex] === index;
    const lineEnd = open ? at + chunk.openLengths[openIndex++]! : chunk.bytes.indexOf(NEWLINE, at);
    if (lineEnd < at || lineEnd > chunk.bytes.length) {
      throw new Error(`log chunk ${chunk.firstSeq}: expected ${chunk.lineCount} lines, got ${index} in its bytes`);
    }
    if (index >= first) visit(chunk.firstSeq + index, at, lineEnd, runAt(chunk, runIndex), open);
    at = open ? lineEnd : lineEnd + 1;
  }
}

function runAt(chunk: LogChunk, index: number): LineRun {
  const run = chunk.runs[index];
  if (run === undefined) {
    throw new Error(`log chunk ${chunk.firstSeq}: expected runs over ${chunk.lineCount} lines, got fewer`);
  }
  return run;
}

/**
 * The header as bytes: version, then LEB128 numbers: count of runs; per run its count, its stream's index in LOG_STREAMS and its time as
 * the difference in ms from the run before (zigzag); count of open lines; per open line the distance from the one before, and its length.
 * Errors: RangeError for a number that is no whole number from 0 to 2^53 (times within 140,000 years of each other are).
 */
export function encodeChunkHeader(header: ChunkHeader): Buffer {
  const out: number[] = [HEADER_VERSION];
  pushNumber(out, header.runs.length);
  let before = 0;
  for (const run of header.runs) {
    const time = run.time.getTime();
    pushNumber(out, run.count);
    pushNumber(out, LOG_STREAMS.indexOf(run.stream));
    pushNumber(out, zigzag(time - before));
    before = time;
  }
  pushNumber(out, header.openLines.length);
  let line = 0;
  header.openLines.forEach((openLine, index) => {
    pushNumber(out, openLine - line);
    pushNumber(out, header.openLengths[index] ?? -1);
    line = openLine;
  });
  return Buffer.from(out);
}

/** Reads what encodeChunkHeader wrote. Errors: Error that says where it stopped making sense. */
export function decodeChunkHeader(bytes: Uint8Array): ChunkHeader {
  if (bytes[0] !== HEADER_VERSION) {
    throw new Error(`log chunk header: expected version ${HEADER_VERSION}, got ${bytes[0] ?? 'no bytes'}`);
  }
  const reader = new NumberReader(bytes, 1);
  const runs: LineRun[] = [];
  let time = 0;
  for (let left = reader.count(3); left > 0; left -= 1) {
    const count = reader.next();
    const index = reader.next();
    const stream = LOG_STREAMS[index];
    if (stream === undefined) throw new Error(`log chunk header: expected a stream's index, got ${index}`);
    time += unzigzag(reader.next());
    if (Number.isNaN(new Date(time).getTime())) throw new Error(`log chunk header: expected a time in ms, got ${time}`);
    runs.push({ count, time: new Date(time), stream });
  }
  const openLines: number[] = [];
  const openLengths: number[] = [];
  let line = 0;
  for (let left = reader.count(2); left > 0; left -= 1) {
    line += reader.next();
    openLines.push(line);
    openLengths.push(reader.next());
  }
  reader.expectEnd();
  return { runs, openLines, openLengths };
}

function pushNumber(out: number[], value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`log chunk header: expected a whole number from 0 on, got ${value}`);
  }
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  out.push(rest);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

class NumberReader {
  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
  ) {}

  next(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.bytes[this.at];
      if (byte === undefined) throw new Error(`log chunk header: expected more than its ${this.bytes.length} bytes`);
      this.at += 1;
      value += (byte & 0x7f) * factor;
      if (!Number.isSafeInteger(value)) throw new Error(`log chunk header: number too large before byte ${this.at}`);
      if (byte < 0x80) return value;
    }
  }

  /** A count of things of at least `size` bytes each: never more than what is left can hold. */
  count(size: number): number {
    const count = this.next();
    const left = this.bytes.length - this.at;
    if (count * size > left) throw new Error(`log chunk header: expected ${count} entries, got ${left} bytes for them`);
    return count;
  }

  expectEnd(): void {
    if (this.at !== this.bytes.length) {
      throw new Error(`log chunk header: expected its end at byte ${this.at}, got ${this.bytes.length} bytes`);
    }
  }
}
