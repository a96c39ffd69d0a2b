// Room: source. One holder per mirror, across processes that share the disk: a lock folder with its owner's name and a heartbeat.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const HEARTBEAT_MS = 10_000;
/** A lock whose heartbeat is older belongs to nobody, whatever its owner's pid says (another host, a reused pid). */
export const STALE_AFTER_MS = 120_000;

interface Owner {
  host: string;
  pid: number;
  token: string;
}

export interface HeldLock {
  release(): Promise<void>;
}

/**
 * Takes the lock at `path` (a folder that is made), waiting for its holder. `onWait` is called once when it must wait.
 * A lock whose process on this host is dead, or whose heartbeat stopped, is broken.
 * Errors: the signal's reason.
 */
export async function takeLock(path: string, signal: AbortSignal, onWait?: () => void): Promise<HeldLock> {
  const token = randomUUID();
  for (let waited = false; ;) {
    signal.throwIfAborted();
    if (await make(path)) return hold(path, { host: hostname(), pid: process.pid, token });
    if (await isStale(path)) await breakLock(path);
    else {
      if (!waited) onWait?.();
      waited = true;
      await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** Takes the lock if it is free this very moment. Out: null when it is not. */
export async function tryLock(path: string): Promise<HeldLock | null> {
  return (await make(path)) ? hold(path, { host: hostname(), pid: process.pid, token: randomUUID() }) : null;
}

async function hold(path: string, owner: Owner): Promise<HeldLock> {
  await writeFile(join(path, 'owner'), JSON.stringify(owner));
  const beat = setInterval(() => {
    // A missing file here means that the lock was broken or released; nothing to keep alive then.
    utimes(join(path, 'owner'), new Date(), new Date()).catch(() => undefined);
  }, HEARTBEAT_MS);
  beat.unref();
  return {
    release: async () => {
      clearInterval(beat);
      if ((await ownerOf(path))?.token === owner.token) await rm(path, { recursive: true, force: true });
    },
  };
}

async function make(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

async function ownerOf(path: string): Promise<Owner | null> {
  try {
    return JSON.parse(await readFile(join(path, 'owner'), 'utf8')) as Owner;
  } catch {
    return null; // Not written yet, half written, or gone.
  }
}

async function isStale(path: string): Promise<boolean> {
  const info = (await stat(join(path, 'owner')).catch(() => null)) ?? (await stat(path).catch(() => null));
  if (info === null) return false;
  if (Date.now() - info.mtimeMs > STALE_AFTER_MS) return true;
  const owner = await ownerOf(path);
  return owner !== null && owner.host === hostname() && !isAlive(owner.pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Only one may break at a time and looks again first; without that, the second breaker would throw away the first one's new lock. */
async function breakLock(path: string): Promise<void> {
  const breaking = `${path}.breaking`;
  if (!(await make(breaking))) {
    const since = await stat(breaking).catch(() => null);
    if (since !== null && Date.now() - since.mtimeMs > STALE_AFTER_MS) await rmdir(breaking).catch(() => undefined);
    await sleep(POLL_MS);
    return;
  }
  try {
    if (await isStale(path)) await rm(path, { recursive: true, force: true });
  } finally {
    await rmdir(breaking).catch(() => undefined);
  }
}
