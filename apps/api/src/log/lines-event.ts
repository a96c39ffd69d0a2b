// Lines of a log as the bytes of `lines` events, made once for all readers that stand at the same place. Pure.
import { linesOf } from '#core/chunk-codec.js';
import type { LogChunk, LogLine } from '#core/log-line.js';
import { lineId } from './log-position.js';
import { formatEventOf } from './sse.js';

/** Lines of one event at most. */
export const LINES_PER_EVENT = 1000;
/** Characters of JSON after which an event is closed; one long line may exceed it. */
export const EVENT_CHARS = 256 * 1024;

/** One event, ready to be written. */
export interface LinesEvent {
  /** Its first line. */
  first: number;
  /** The line behind its last one. */
  next: number;
  bytes: Buffer;
}

/**
 * In: chunks in order, without a gap; lines before `fromSeq` are left out.
 * Out: events in order. Small chunks share an event; an event that ends inside a chunk is followed by others until that chunk's end, so
 * that readers who began at different lines stand at the same places from the next chunk on.
 * Errors: Error when bytes and header of a chunk contradict each other.
 */
export function linesEvents(attempt: number, chunks: LogChunk[], fromSeq: number): LinesEvent[] {
  const events: LinesEvent[] = [];
  let parts: string[] = [];
  let chars = 0;
  let first = fromSeq;
  const close = (): void => {
    if (parts.length === 0) return;
    const next = first + parts.length;
    const id = lineId({ attempt, seq: next - 1 });
    const bytes = Buffer.from(formatEventOf('lines', id, `{"lines":[${parts.join(',')}]}`));
    events.push({ first, next, bytes });
    parts = [];
    chars = 0;
    first = next;
  };
  for (const chunk of chunks) {
    const follows = chunk.firstSeq <= first + parts.length;
    if (!follows || parts.length + chunk.lineCount > LINES_PER_EVENT || chars + chunk.bytes.length > EVENT_CHARS)
      close();
    const format = lineFormatter();
    for (const line of linesOf(chunk, fromSeq)) {
      if (parts.length === 0) first = line.seq;
      const text = format(line);
      parts.push(text);
      chars += text.length;
      if (parts.length >= LINES_PER_EVENT || chars >= EVENT_CHARS) close();
    }
  }
  close();
  return events;
}

/** A line as toLineView and JSON.stringify would write it. Lines of a run share their time and stream, which are written once. */
function lineFormatter(): (line: LogLine) => string {
  let time: Date | undefined;
  let stream: string | undefined;
  let between = '';
  return (line) => {
    if (line.time !== time || line.stream !== stream) {
      ({ time, stream } = line);
      between = `,"time":"${line.time.toISOString()}","stream":"${line.stream}","text":`;
    }
    return `{"seq":${line.seq}${between}${JSON.stringify(line.text)}${line.continues ? ',"continues":true}' : '}'}`;
  };
}
