// Which processes we started, kept in a file, so that the next start can end what a `kill -9` left behind.
// A process is known by its pid and its start time: a pid alone may belong to another by then.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readIfThere, writePrivate } from './data-folder.js';
import { killGroup } from './machine.js';

export interface KnownProcess {
  name: string;
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  startTime: string;
}

/** The start time of a living process; undefined when it is gone (or a zombie). */
export function startTimeOf(pid: number): string | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // no such process
  }
}

/** Start time out of the text of /proc/PID/stat; the program's name in it may hold spaces and brackets. Zombies count as gone. */
export function parseStat(text: string): string | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

export function isAlive(known: Pick<KnownProcess, 'pid' | 'startTime'>): boolean {
  return startTimeOf(known.pid) === known.startTime;
}

/** The list in `processes.json`. Writes are serialised; one that fails rejects, and the next one writes all of it again. */
export class ProcessTable {
  private readonly known = new Map<string, KnownProcess>();
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly file: string) {}

  add(name: string, pid: number): Promise<void> {
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) this.known.set(name, { name, pid, startTime });
    return this.write();
  }

  remove(name: string): Promise<void> {
    this.known.delete(name);
    return this.write();
  }

  private write(): Promise<void> {
    const text = `${JSON.stringify([...this.known.values()])}\n`;
    const written = this.writing.then(() => writePrivate(this.file, text));
    this.writing = written.catch(() => undefined); // told to who asked for it
    return written;
  }
}

/**
 * Ends what an earlier run left behind: SIGTERM, and SIGKILL after graceMs.
 * Out: the names of what was ended. Only processes that the file names, with the same start time, are touched.
 */
export async function endLeftovers(file: string, graceMs = 10_000): Promise<string[]> {
  const left = parseTable((await readIfThere(file)) ?? '[]').filter(isAlive);
  for (const known of left) killGroup(known.pid, known.name === 'postgres' ? 'SIGINT' : 'SIGTERM');
  const deadline = Date.now() + graceMs;
  while (left.some(isAlive) && Date.now() < deadline) await sleep(50);
  for (const known of left.filter(isAlive)) killGroup(known.pid, 'SIGKILL');
  while (left.some(isAlive) && Date.now() < deadline + 5_000) await sleep(50);
  return left.map((known) => known.name);
}

export function parseTable(text: string): KnownProcess[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter(isKnownProcess) : [];
  } catch {
    return []; // unreadable: nothing is known, so nothing is ended
  }
}

function isKnownProcess(value: unknown): value is KnownProcess {
  const known = value as Partial<KnownProcess> | null;
  return typeof known?.name === 'string' && Number.isInteger(known.pid) && typeof known.startTime === 'string';
}
