// Room: source. Watches how much disk a source takes while it comes in, and stops it when it is too much.
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { PhaseFailure } from '#core/errors.js';

const POLL_MS = 300;

/** What one fetch may take. */
export interface SourceLimits {
  /** Over mirror and checkout together, or over an unpacked archive. */
  maxBytes: number;
  timeoutMs: number;
}

/**
 * Bytes that folders take on disk, links not followed. Folders and files that vanish meanwhile count nothing.
 * Counts whole blocks, so that very many tiny files weigh what they cost.
 */
export async function diskBytes(folders: Iterable<string>): Promise<number> {
  let total = 0;
  for (const folder of folders) {
    const entries = await opendir(folder).catch(() => null);
    if (entries === null) continue;
    for await (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) total += await diskBytes([path]);
      else {
        const info = await lstat(path).catch(() => null);
        if (info !== null) total += Math.max(info.size, info.blocks * 512);
      }
    }
  }
  return total;
}

export function tooLarge(what: string, bytes: number, maxBytes: number): PhaseFailure {
  return new PhaseFailure(
    'SOURCE_TOO_LARGE',
    `${what} takes ${bytes} bytes or more; allowed are ${maxBytes} (KILNYARD_SOURCE_MAX_BYTES)`,
    {
      details: { bytes, maxBytes },
    },
  );
}

/**
 * A signal that aborts when the outer one does, when time is up (SOURCE_FETCH_FAILED), or when the folders outgrow the limit (SOURCE_TOO_LARGE).
 * `check` looks at once. The caller stops it. Polling leaves at least five times as long a pause as a look took.
 */
export class FetchGuard {
  private readonly own = new AbortController();
  private readonly folders = new Set<string>();
  private readonly deadline: NodeJS.Timeout;
  private poll: NodeJS.Timeout | undefined;
  readonly signal: AbortSignal;

  constructor(
    private readonly what: string,
    private readonly limits: SourceLimits,
    outer: AbortSignal,
  ) {
    this.signal = AbortSignal.any([outer, this.own.signal]);
    const late = `fetching ${what} took longer than ${limits.timeoutMs} ms (KILNYARD_SOURCE_TIMEOUT_MS)`;
    this.deadline = setTimeout(() => this.own.abort(new PhaseFailure('SOURCE_FETCH_FAILED', late)), limits.timeoutMs);
    this.schedule(POLL_MS);
  }

  watch(folder: string): void {
    this.folders.add(folder);
  }

  /** Errors: PhaseFailure SOURCE_TOO_LARGE. */
  async check(): Promise<number> {
    const bytes = await diskBytes(this.folders);
    if (bytes > this.limits.maxBytes) throw tooLarge(this.what, bytes, this.limits.maxBytes);
    return bytes;
  }

  stop(): void {
    clearTimeout(this.deadline);
    clearTimeout(this.poll);
    this.poll = undefined;
  }

  private schedule(ms: number): void {
    this.poll = setTimeout(() => void this.look(), ms);
  }

  private async look(): Promise<void> {
    const started = performance.now();
    try {
      await this.check();
    } catch (thrown) {
      this.own.abort(thrown);
    }
    if (this.poll !== undefined && !this.signal.aborted)
      this.schedule(Math.max(POLL_MS, 5 * (performance.now() - started)));
  }
}
