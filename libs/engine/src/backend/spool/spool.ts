// Follows a file that a sandbox writes to. What lies in it was written by strangers' code: it may be cut, refilled or grow
// without end; the reader then loses that build's output, and nothing else.
import { execFile } from 'node:child_process';
import { watch } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { OutputPiece } from '../backend.js';

const exec = promisify(execFile);

/** Bytes asked of the file at once: little for a file that trickles, four times as much after each read that was full, up to the second. */
const FIRST_READ_BYTES = 64 * 1024;
const LAST_READ_BYTES = 1024 * 1024;
/** What is written this soon after a read waits for the next: a program that writes each line by itself would wake us for each. */
const GATHER_MS = 8;
/** So many reads after a quiet time come at once all the same: what a build says first is seen without that wait. */
const BURST_READS = 12;
/** Holes are punched behind what is released in steps of this size. Each is a process, whose start holds the worker up for some 10 ms. */
export const PUNCH_BYTES = 128 * 1024 * 1024;
/** A change that inotify did not tell of is seen after this time at the latest. */
const POLL_MS = 200;

export interface FollowOptions {
  path: string;
  /** First byte wanted. */
  from: number;
  /** Resolves when nobody writes any more; what is in the file then is still read to its end. */
  ended: Promise<unknown>;
  signal: AbortSignal;
}

/**
 * Yields the file's bytes from `from` on, as they are written, and ends when `ended` has resolved and all was given.
 * A file that was cut short is followed from its new end on: the next piece's `at` tells so.
 * A piece's bytes are valid until the next piece is asked for: a flood would leave a MiB of garbage for each.
 * Errors: the signal's reason.
 */
export async function* followSpool(options: FollowOptions): AsyncGenerator<OutputPiece> {
  const { path, signal } = options;
  const file = await open(path, 'r');
  const bell = new Bell(path);
  let over = false;
  const settle = (): void => {
    over = true;
    bell.ring(true);
  };
  options.ended.then(settle, settle);
  const abort = (): void => bell.ring(true);
  signal.addEventListener('abort', abort);
  let position = options.from;
  let buffer = Buffer.allocUnsafe(FIRST_READ_BYTES);
  try {
    for (;;) {
      signal.throwIfAborted();
      const last = over;
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      bell.answered();
      if (bytesRead > 0) {
        yield { at: position, bytes: buffer.subarray(0, bytesRead) };
        position += bytesRead;
        if (bytesRead === buffer.length) buffer = grown(buffer);
        else if (!last) await bell.wait();
        continue;
      }
      const { size } = await file.stat();
      if (size < position) {
        position = size;
        continue;
      }
      if (last) return;
      await bell.wait();
    }
  } finally {
    signal.removeEventListener('abort', abort);
    bell.close();
    await file.close();
  }
}

function grown(buffer: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  return buffer.length < LAST_READ_BYTES ? Buffer.allocUnsafe(4 * buffer.length) : buffer;
}

/** Bytes in the file that a reader at `position` has not had. */
export async function backlog(path: string, position: number): Promise<number> {
  return Math.max(0, (await stat(path)).size - position);
}

/** Frees the disk behind what is released of a file, in whole steps of PUNCH_BYTES, one at a time. */
export class HolePunch {
  #punched = 0;
  #wanted = 0;
  #busy = false;

  /** In: `onError` hears of a file system that cannot; the file is then left as it is. */
  constructor(
    private readonly path: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  release(position: number): void {
    this.#wanted = Math.max(this.#wanted, Math.floor(position / PUNCH_BYTES) * PUNCH_BYTES);
    if (this.#busy || this.#wanted <= this.#punched) return;
    this.#busy = true;
    void this.#punch();
  }

  async #punch(): Promise<void> {
    try {
      while (this.#wanted > this.#punched) {
        const to = this.#wanted;
        const length = String(to - this.#punched);
        await exec('fallocate', ['--punch-hole', '--offset', String(this.#punched), '--length', length, this.path]);
        this.#punched = to;
      }
      this.#busy = false;
    } catch (error) {
      this.onError(error); // stays busy: what failed once is not tried again for every piece
    }
  }
}

/** Wakes one waiter on a change of a file (GATHER_MS after the last answer at the soonest), a ring, or after POLL_MS. */
class Bell {
  private wake: (() => void) | null = null;
  private rung: 'no' | 'changed' | 'now' = 'no';
  private answeredAt = -Infinity;
  /** Reads that may still come at once: one more for each GATHER_MS that goes by without any. */
  private credit = BURST_READS;
  private readonly watcher;

  constructor(path: string) {
    this.watcher = watch(path, () => this.ring());
    // without inotify (its limit reached, say) the poll below still sees every change
    this.watcher.on('error', () => undefined);
  }

  /** In: `now` = something other than a change of the file, which need not wait for more. */
  ring(now = false): void {
    const before = this.rung;
    if (before !== 'now') this.rung = now ? 'now' : 'changed';
    if (before !== this.rung) this.wake?.();
  }

  /** The file was read: what was rung for before is seen to. */
  answered(): void {
    const now = performance.now();
    this.credit = Math.max(0, Math.min(BURST_READS, this.credit + (now - this.answeredAt) / GATHER_MS) - 1);
    this.answeredAt = now;
  }

  async wait(): Promise<void> {
    if (this.rung === 'no') await this.sleep(POLL_MS);
    const early = this.answeredAt + GATHER_MS - performance.now();
    if (this.rung === 'changed' && early > 0 && this.credit < 1) await this.sleep(early);
    this.rung = 'no';
  }

  close(): void {
    this.watcher.close();
  }

  private async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
  }
}

/** Longest line of the events file; a longer one is cut. */
export const MAX_EVENT_BYTES = 1024 * 1024;
/** Longest events file that is read; what follows is not looked at. */
export const MAX_EVENTS_BYTES = 64 * 1024 * 1024;

/** Cuts a byte stream into lines without newline; a last line without one is dropped (it was not written to its end). */
export async function* eventLines(pieces: AsyncIterable<OutputPiece>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let total = 0;
  for await (const { bytes } of pieces) {
    total += bytes.length;
    if (total > MAX_EVENTS_BYTES) return;
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at: number;
    let start = 0;
    while ((at = rest.indexOf(10, start)) >= 0) {
      yield rest.toString('utf8', start, Math.min(at, start + MAX_EVENT_BYTES));
      start = at + 1;
    }
    // a copy: the piece's memory is used again for the next one
    rest = Buffer.from(rest.subarray(start, start + MAX_EVENT_BYTES));
  }
}
