// Whose doing it was that a script did not end well on a full disk.
import { describe, expect, it } from '@jest/globals';
import { Fault } from '#core/errors.js';
import { FULL_BYTES, type DiskSpace } from '../backend/disk-space.js';
import type { BuildRun } from '../build-run.js';
import { checkDisks, withDisks } from './full-disk.js';

const GiB = 1024 ** 3;

function newRun(freeBytes: number, pumpEnded: number | null, used: number): BuildRun {
  const disk: DiskSpace = { name: 'the disk', freeBytes, totalBytes: 10 * GiB };
  return {
    ports: { backend: { disks: async () => [disk] } },
    sandbox: { limits: { diskBytes: GiB }, diskUsage: async () => used },
    script: { pumpEnded },
    diskExceeded: null,
  } as unknown as BuildRun;
}

describe('a script that did not end well', () => {
  it.each<[string, number, number | null, number, 'fault' | 'own limit' | 'nothing']>([
    ['with room on the disk, for reasons of its own', GiB, null, 2 * GiB, 'nothing'],
    ['on a full disk', FULL_BYTES - 1, null, 1, 'fault'],
    ['on a full disk, of which it took more than its share', 0, null, GiB + 1, 'own limit'],
    ['on a disk that was full when its output came, and is not any more', GiB, 1, 1, 'fault'],
    ['after killing its own pump', GiB, 137, 1, 'nothing'],
    ['after killing its own pump on a full disk', 0, 137, 1, 'fault'],
  ])('%s', async (_, free, pump, used, expected) => {
    const run = newRun(free, pump, used);
    const fault = await checkDisks(run).then(
      () => null,
      (error: unknown) => error,
    );
    expect(fault === null ? (run.diskExceeded === null ? 'nothing' : 'own limit') : 'fault').toBe(expected);
    if (expected === 'fault') expect(fault).toMatchObject({ code: 'STORAGE_FULL', retryable: true });
  });
});

describe('an error of the file system', () => {
  it.each([
    ['that says no space', Object.assign(new Error('ENOSPC: mkdir'), { code: 'ENOSPC' })],
    ['a quota', Object.assign(new Error('EDQUOT: write'), { code: 'EDQUOT' })],
    ['words of a program', Object.assign(new Error('mkfifo failed'), { stderr: 'mkfifo: x: No space left on device' })],
    ['a fault of another room', new Fault('STORAGE_FULL', 'no space left for the source')],
  ])('%s becomes a fault that tells how the disks are', async (_, error) => {
    expect(await withDisks(newRun(5 * 1024 ** 2, null, 0), error)).toMatchObject({
      code: 'STORAGE_FULL',
      message: `${error.message} (the disk: 5 of 10240 MiB free)`,
    });
  });

  it('of the database tells of its disk alone', async () => {
    const error = new Fault('STORAGE_FULL', 'Postgres has no disk space left', { details: { disk: 'database' } });
    expect(await withDisks(newRun(0, null, 0), error)).toBe(error);
  });

  it('of another kind stays what it is', async () => {
    const error = Object.assign(new Error('EACCES'), { code: 'EACCES' });
    expect(await withDisks(newRun(0, null, 0), error)).toBe(error);
  });
});
