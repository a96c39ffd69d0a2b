// A packed tar as a plain one, in this process or by a program. Called by phases/cache-tar.ts where the sandbox does the rest.
import { spawn } from 'node:child_process';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { PackedTar } from '../ports.js';
import { PROGRAM_ENV, programs, UNPACKERS } from './programs.js';

/** Errors: Error when this machine cannot unpack it. What is wrong with the bytes comes out of the stream. */
export async function unpacked({ codec, bytes }: PackedTar, signal: AbortSignal): Promise<Readable> {
  if (codec === 'gzip') {
    const gunzip = createGunzip();
    pipeline(bytes, gunzip, { signal }).catch(() => undefined); // its error reaches the reader of `gunzip`
    return gunzip;
  }
  if (!(await programs()).zstd) {
    bytes.destroy();
    throw new Error('it is packed with zstd, and this worker has no program of that name');
  }
  return byProgram(UNPACKERS[codec], bytes, signal);
}

function byProgram(command: readonly [string, ...string[]], bytes: Readable, signal: AbortSignal): Readable {
  const child = spawn(command[0], command.slice(1), { env: PROGRAM_ENV, stdio: ['pipe', 'pipe', 'ignore'], signal });
  const out = new PassThrough();
  const fed = pipeline(bytes, child.stdin, { signal });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command[0]} ended with exit status ${code}`)),
    );
  });
  const copy = async function* (): AsyncGenerator<Buffer> {
    try {
      for await (const piece of child.stdout) yield piece as Buffer;
      await ended;
      await fed;
    } finally {
      child.kill();
    }
  };
  for (const one of [fed, ended]) one.catch(() => undefined); // met in `copy`, where somebody reads on
  pipeline(copy, out, { signal }).catch(() => undefined); // its error reaches the reader of `out`
  return out;
}
