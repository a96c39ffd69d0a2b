// How much memory this host can still give away.
import { readFile } from 'node:fs/promises';

/** Bytes that can be had without swapping (the kernel's MemAvailable); null where the kernel does not tell. */
export async function availableMemory(path = '/proc/meminfo'): Promise<number | null> {
  const text = await readFile(path, 'utf8').catch(() => ''); // not a Linux host: nothing is known
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}
