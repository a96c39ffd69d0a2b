// Which of the machine's programs can pack a cache. Asked once; called by phases/cache.ts.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TarCodec } from '../ports.js';

const exec = promisify(execFile);

/** What the programs see of our environment: neither TAR_OPTIONS nor ZSTD_CLEVEL. */
export const PROGRAM_ENV: NodeJS.ProcessEnv = { PATH: process.env.PATH, LC_ALL: 'C' };

/** Level 1: about three times as fast as zstd's own choice, for some percent more bytes. */
export const PACKERS: Readonly<Record<TarCodec, readonly [string, ...string[]]>> = {
  zstd: ['zstd', '--quiet', '-1', '--stdout'],
  gzip: ['gzip', '-1', '--stdout'],
};
export const UNPACKERS: Readonly<Record<TarCodec, readonly [string, ...string[]]>> = {
  zstd: ['zstd', '--quiet', '--decompress', '--stdout'],
  gzip: ['gzip', '--decompress', '--stdout'],
};

export interface Programs {
  /** GNU's tar: others (busybox) lack what a safe archive needs. */
  tar: boolean;
  zstd: boolean;
  gzip: boolean;
}

let found: Promise<Programs> | null = null;

export function programs(): Promise<Programs> {
  found ??= Promise.all([version('tar'), version('zstd'), version('gzip')]).then(([tar, zstd, gzip]) => ({
    tar: tar.includes('GNU tar'),
    zstd: zstd !== '',
    gzip: gzip !== '',
  }));
  return found;
}

/** Empty when there is no such program. */
async function version(program: string): Promise<string> {
  try {
    return (await exec(program, ['--version'], { env: PROGRAM_ENV })).stdout;
  } catch {
    return ''; // missing, or of a kind that knows no --version: not the one we can use
  }
}
