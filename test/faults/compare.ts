// What a log says, against what it must say. Pure; what it finds is text for a person: null when all is well.
import type { ReceivedLine } from '#testing/read-events.js';
import { RUN_LINE, comparable, type Expected } from './builds.js';

/** Lines that carry on are put together; the system's own are left out. */
export function ownOutput(lines: readonly ReceivedLine[]): string[] {
  const out: string[] = [];
  let open = false;
  for (const { stream, text, continues } of lines) {
    if (stream === 'system') continue;
    if (open) out[out.length - 1] += text;
    else out.push(text);
    open = continues === true;
  }
  return out.map(comparable);
}

/** The raw log that these lines are. */
export function bytesOf(lines: readonly ReceivedLine[]): Buffer {
  return Buffer.from(lines.map(({ text, continues }) => (continues === true ? text : `${text}\n`)).join(''));
}

/** Is the output what was to be expected of the build? */
export function wrongOutput(
  { output: want, extent }: Pick<Expected, 'output' | 'extent'>,
  got: string[],
): string | null {
  if (extent === 'any') return null;
  const length = extent === 'whole' ? Math.max(want.length, got.length) : got.length;
  for (let index = 0; index < length; index += 1) {
    if (got[index] === want[index]) continue;
    // what was ended in the middle of a line has written its beginning
    const cut = extent === 'beginning' && index === got.length - 1 && want[index]?.startsWith(got[index] ?? '');
    if (!cut) return `line ${index + 1} of ${want.length}: expected ${shown(want[index])}, got ${shown(got[index])}`;
  }
  return null;
}

/** Ids of the runs whose first lines stand in a log. */
export function runIds(lines: readonly ReceivedLine[]): string[] {
  return lines.filter(({ text }) => comparable(text) === RUN_LINE).map(({ text }) => text);
}

/** User code runs once under one attempt: its run's id stands in the log once at most. */
export function ranTwice(got: readonly string[]): string | null {
  const runs = got.filter((line) => line === RUN_LINE).length;
  return runs <= 1 ? null : `its commands ran ${runs} times under one attempt`;
}

/** Has a reader got every line of the log once, in order, as it is? */
export function wrongReading(log: readonly ReceivedLine[], read: readonly ReceivedLine[]): string | null {
  for (let index = 0; index < Math.max(log.length, read.length); index += 1) {
    const [want, got] = [log[index], read[index]];
    if (want?.seq === got?.seq && want?.text === got?.text && want?.stream === got?.stream) continue;
    return `place ${index}: the log has line ${want?.seq} ${shown(want?.text)}, the reader got ${got?.seq} ${shown(got?.text)}`;
  }
  return null;
}

function shown(line: string | undefined): string {
  return line === undefined ? 'nothing' : JSON.stringify(line.slice(0, 120));
}
