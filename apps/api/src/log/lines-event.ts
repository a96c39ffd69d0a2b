// Lines of a log as the bytes of `lines` events, made once for all readers that stand at the same place. Pure.
// From bytes to bytes: a string for each line kept a process busy that one reader of a flood made read with it.
import { walkLines } from '#core/chunk-codec.js';
import type { LogChunk, LogStream } from '#core/log-line.js';
import { EventText } from './event-text.js';
import { lineId } from './log-position.js';

/** Lines of one event at most. */
export const LINES_PER_EVENT = 1000;
/** Bytes of JSON after which an event is closed; one long line may exceed it. */
export const EVENT_BYTES = 256 * 1024;

/** One event, ready to be written. */
export interface LinesEvent {
  /** Its first line. */
  first: number;
  /** The line behind its last one. */
  next: number;
  bytes: Buffer;
}

const scratch = new EventText();

/**
 * In: chunks in order, without a gap; lines before `fromSeq` are left out.
 * Out: events in order. Small chunks share an event; an event that ends inside a chunk is followed by others until that chunk's end, so
 * that readers who began at different lines stand at the same places from the next chunk on.
 * Errors: Error when bytes and header of a chunk contradict each other.
 */
export function linesEvents(attempt: number, chunks: LogChunk[], fromSeq: number): LinesEvent[] {
  const events: LinesEvent[] = [];
  let first = fromSeq;
  let next = fromSeq;
  scratch.length = 0;
  const close = (): void => {
    if (next === first) return;
    scratch.ascii(']}\n\n');
    const head = Buffer.from(`event: lines\nid: ${lineId({ attempt, seq: next - 1 })}\ndata: {"lines":[`);
    events.push({ first, next, bytes: Buffer.concat([head, scratch.take()]) });
    first = next;
  };
  for (const chunk of chunks) {
    const count = next - first;
    const follows = chunk.firstSeq <= next;
    if (!follows || count + chunk.lineCount > LINES_PER_EVENT || scratch.length + chunk.bytes.length > EVENT_BYTES)
      close();
    const between = betweenOf();
    walkLines(chunk, fromSeq, Infinity, (seq, from, to, { time, stream }, open) => {
      const isFirst = next === first;
      if (isFirst) first = seq;
      scratch.ascii(isFirst ? '{"seq":' : ',{"seq":');
      scratch.ascii(String(seq));
      scratch.ascii(between(time, stream));
      scratch.json(chunk.bytes, from, to);
      scratch.ascii(open ? '","continues":true}' : '"}');
      next = seq + 1;
      if (next - first >= LINES_PER_EVENT || scratch.length >= EVENT_BYTES) close();
    });
  }
  close();
  return events;
}

/** What stands between a line's number and its text. Lines of a run share their time and stream, which are formatted once. */
function betweenOf(): (time: Date, stream: LogStream) => string {
  let lastTime: Date | undefined;
  let lastStream: LogStream | undefined;
  let between = '';
  return (time, stream) => {
    if (time !== lastTime || stream !== lastStream) {
      lastTime = time;
      lastStream = stream;
      between = `,"time":"${time.toISOString()}","stream":"${stream}","text":"`;
    }
    return between;
  };
}
