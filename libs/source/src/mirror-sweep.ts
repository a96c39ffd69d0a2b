// Room: source. Keeps the mirrors of a host within their budget: the least recently used go first, none that a fetch holds.
import { randomUUID } from 'node:crypto';
import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { diskBytes } from './disk-limit.js';
import { takeLock } from './mirror-lock.js';

/** A mirror that was used so short a time ago stays, whatever the budget says: the next build is likely to want it. */
export const MIRROR_IDLE_MS = 10 * 60_000;
/** How long a mirror's lock is waited for: who holds it uses the mirror. */
const LOCK_WAIT_MS = 200;
const REMOVED = '.removed-';

export interface MirrorSweep {
  removed: { name: string; bytes: number }[];
  /** What is left. */
  mirrors: number;
  bytes: number;
}

interface Mirror {
  name: string;
  bytes: number;
  usedAtMs: number;
}

/**
 * Removes mirrors until the rest fits into `budgetBytes` (0: no budget). Safe beside fetches and other sweeps of the same folder: a
 * mirror is moved out of the way under its lock, after another look at when it was used, and deleted afterwards.
 */
export async function sweepMirrors(
  mirrorsDir: string,
  budgetBytes: number,
  signal: AbortSignal,
  idleMs = MIRROR_IDLE_MS,
): Promise<MirrorSweep> {
  const mirrors = await mirrorsIn(mirrorsDir);
  let bytes = mirrors.reduce((sum, mirror) => sum + mirror.bytes, 0);
  const removed: MirrorSweep['removed'] = [];
  for (const { name, bytes: own, usedAtMs } of mirrors.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
    signal.throwIfAborted();
    if (budgetBytes === 0 || bytes <= budgetBytes) break;
    if (Date.now() - usedAtMs < idleMs || !(await moveAway(mirrorsDir, name, usedAtMs))) continue;
    removed.push({ name, bytes: own });
    bytes -= own;
  }
  await deleteMoved(mirrorsDir);
  return { removed, mirrors: mirrors.length - removed.length, bytes };
}

async function mirrorsIn(mirrorsDir: string): Promise<Mirror[]> {
  const entries = await readdir(mirrorsDir, { withFileTypes: true }).catch(noneWhereMissing);
  const mirrors: Mirror[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory() || entry.name.startsWith('.') || /\.(lock|breaking)$/.test(entry.name)) continue;
    const usedAtMs = await lastUse(mirrorsDir, entry.name);
    if (usedAtMs === null) continue;
    mirrors.push({ name: entry.name, usedAtMs, bytes: await diskBytes([join(mirrorsDir, entry.name)]) });
  }
  return mirrors;
}

/** Null for a folder that is no mirror of ours, or gone: only GitMirror.open writes the file. */
async function lastUse(mirrorsDir: string, name: string): Promise<number | null> {
  const info = await lstat(join(mirrorsDir, name, 'kilnyard-last-used')).catch(() => null);
  return info === null ? null : info.mtimeMs;
}

/** Out: false when a fetch holds it, or has used it since we looked. */
async function moveAway(mirrorsDir: string, name: string, seenUsedAtMs: number): Promise<boolean> {
  const folder = join(mirrorsDir, name);
  const lock = await takeLock(`${folder}.lock`, AbortSignal.timeout(LOCK_WAIT_MS)).catch(() => null);
  if (lock === null) return false;
  try {
    if ((await lastUse(mirrorsDir, name)) !== seenUsedAtMs) return false;
    await rename(folder, join(mirrorsDir, `${REMOVED}${randomUUID()}`));
    return true;
  } finally {
    await lock.release();
  }
}

/** Also what a sweep that died left. */
async function deleteMoved(mirrorsDir: string): Promise<void> {
  const names = await readdir(mirrorsDir).catch(noneWhereMissing);
  for (const name of names)
    if (name.startsWith(REMOVED)) await rm(join(mirrorsDir, name), { recursive: true, force: true });
}

function noneWhereMissing(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
