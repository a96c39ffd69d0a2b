// Two programs of which the first's output is the second's input, without a detour through this process. Called by workspace-tar.ts.
import { spawn, type ChildProcess } from 'node:child_process';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { PROGRAM_ENV } from './programs.js';

/** What is kept of a program's complaints. */
const ERROR_BYTES = 2_000;

export interface TwoPrograms {
  /** The first one's. */
  stdin: Writable;
  /** The second one's. */
  stdout: Readable;
  /** The first one's complaints, and whatever else it says there. */
  said: Readable;
  /** Resolves when both ended well. Errors: Error with the words of the one that did not; the signal's reason. */
  done: Promise<void>;
  /** Ends both; for who does not read on. */
  kill(): void;
}

type Command = readonly [string, ...string[]];

export function startTwo(first: Command, second: Command, signal: AbortSignal): TwoPrograms {
  const later = spawn(second[0], second.slice(1), { env: PROGRAM_ENV, stdio: ['pipe', 'pipe', 'pipe'] });
  const earlier = spawn(first[0], first.slice(1), { env: PROGRAM_ENV, stdio: ['pipe', later.stdin, 'pipe'] });
  // our copy of the pipe between them: while it is open the second would wait for us
  later.stdin.destroy();
  const kill = (): void => {
    earlier.kill('SIGKILL');
    later.kill('SIGKILL');
  };
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  const done = Promise.all([endOf(earlier, first[0]), endOf(later, second[0])])
    .then(
      () => undefined,
      (error: unknown) => {
        kill();
        throw signal.aborted ? signal.reason : error;
      },
    )
    .finally(() => signal.removeEventListener('abort', kill));
  done.catch(() => undefined); // met by whoever awaits it; one that stopped reading does not
  // Node lets go of what nobody has begun to read of a program that has ended; read from now on, it waits here
  const stdout = later.stdout.pipe(new PassThrough());
  return { stdin: earlier.stdin!, stdout, said: earlier.stderr!, done, kill };
}

function endOf(child: ChildProcess, name: string): Promise<void> {
  let words = '';
  child.stderr!.on('data', (bytes: Buffer) => {
    words = (words + complaints(bytes.toString(), name)).slice(-ERROR_BYTES);
  });
  // what could not be written into a program is told by its own end
  child.stdin?.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signalName) => {
      if (code === 0) return resolve();
      const last = words.trim().split('\n').slice(0, 3).join('; ');
      reject(new Error(`${name} ended with ${signalName ?? `exit status ${code}`}${last === '' ? '' : `: ${last}`}`));
    });
  });
}

/** Without the names that tar tells beside them. */
function complaints(text: string, name: string): string {
  if (name !== 'tar') return text;
  const lines = text.split('\n').filter((line) => line.startsWith('tar: '));
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * Waits for programs and for what feeds them. Errors: what feeds them broke for a reason of its own; else what a program ended with.
 */
export async function bothDone(programs: Promise<void>, feed: Promise<void>): Promise<void> {
  const [end, fed] = await Promise.allSettled([programs, feed]);
  if (fed.status === 'rejected' && !CLOSED.has((fed.reason as NodeJS.ErrnoException).code ?? '')) throw fed.reason;
  if (end.status === 'rejected') throw end.reason;
  if (fed.status === 'rejected') throw fed.reason;
}

/** A feed that breaks so broke because its program ended, or was ended. */
const CLOSED: ReadonlySet<string> = new Set([
  'ABORT_ERR',
  'EPIPE',
  'ECONNRESET',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
]);
