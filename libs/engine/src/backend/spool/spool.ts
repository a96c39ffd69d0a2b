// Follows a file that a sandbox writes to. What lies in it was written by strangers' code: it may be cut, refilled or grow
// without end; the reader then loses that build's output, and nothing else.
import { execFile } from 'node:child_process';
import { watch } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Bytes asked of the file at once. */
const READ_BYTES = 1024 * 1024;
/** Holes are punched behind the reader in steps of this size. */
export const PUNCH_BYTES = 32 * 1024 * 1024;
/** A change that inotify did not tell of is seen after this time at the latest. */
const POLL_MS = 200;

export interface FollowOptions {
  path: string;
  /** First byte wanted. */
  from: number;
  /** Resolves when nobody writes any more; what is in the file then is still read to its end. */
  ended: Promise<unknown>;
  signal: AbortSignal;
  /** Free the disk behind the reader. */
  punch: boolean;
  /** Told after each piece that the consumer has taken. */
  onPosition?: (position: number) => void;
}

/**
 * Yields the file's bytes from `from` on, as they are written, and ends when `ended` has resolved and all was given.
 * A piece is taken to be stored when the consumer asks for the next.
 * Errors: the signal's reason. A file that was cut short is followed from its new end on; `[Container]` tells so in the output.
 */
export async function* followSpool(options: FollowOptions): AsyncGenerator<Buffer> {
  const { path, signal } = options;
  const file = await open(path, 'r');
  const bell = new Bell(path);
  let over = false;
  const settle = (): void => {
    over = true;
    bell.ring();
  };
  options.ended.then(settle, settle);
  const abort = (): void => bell.ring();
  signal.addEventListener('abort', abort);
  let position = options.from;
  let punched = Math.floor(options.from / PUNCH_BYTES) * PUNCH_BYTES;
  try {
    for (;;) {
      signal.throwIfAborted();
      const last = over;
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position);
      if (bytesRead > 0) {
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
        options.onPosition?.(position);
        if (options.punch && position - punched >= PUNCH_BYTES) punched = await punchBehind(path, punched, position);
        continue;
      }
      const { size } = await file.stat();
      if (size < position) {
        yield Buffer.from(`\n[Container] The build cut its own output file short; what it had not yet shown is lost\n`);
        position = size;
        punched = Math.floor(size / PUNCH_BYTES) * PUNCH_BYTES;
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

/** Bytes in the file that a reader at `position` has not had. */
export async function backlog(path: string, position: number): Promise<number> {
  return Math.max(0, (await stat(path)).size - position);
}

async function punchBehind(path: string, from: number, to: number): Promise<number> {
  const end = Math.floor(to / PUNCH_BYTES) * PUNCH_BYTES;
  await exec('fallocate', ['--punch-hole', '--offset', String(from), '--length', String(end - from), path]);
  return end;
}

/** Wakes one waiter on a change of a file, a ring, or after POLL_MS. */
class Bell {
  private wake: (() => void) | null = null;
  private rung = false;
  private readonly watcher;

  constructor(path: string) {
    this.watcher = watch(path, () => this.ring());
    // without inotify (its limit reached, say) the poll below still sees every change
    this.watcher.on('error', () => undefined);
  }

  ring(): void {
    this.rung = true;
    this.wake?.();
  }

  async wait(): Promise<void> {
    if (!this.rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = null;
    }
    this.rung = false;
  }

  close(): void {
    this.watcher.close();
  }
}

/** Longest line of the events file; a longer one is cut. */
export const MAX_EVENT_BYTES = 1024 * 1024;
/** Longest events file that is read; what follows is not looked at. */
export const MAX_EVENTS_BYTES = 64 * 1024 * 1024;

/** Cuts a byte stream into lines without newline; a last line without one is dropped (it was not written to its end). */
export async function* eventLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let total = 0;
  for await (const piece of bytes) {
    total += piece.length;
    if (total > MAX_EVENTS_BYTES) return;
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let at: number;
    let start = 0;
    while ((at = rest.indexOf(10, start)) >= 0) {
      yield rest.toString('utf8', start, Math.min(at, start + MAX_EVENT_BYTES));
      start = at + 1;
    }
    rest = rest.subarray(start);
    if (rest.length > MAX_EVENT_BYTES) rest = rest.subarray(0, MAX_EVENT_BYTES);
  }
}
