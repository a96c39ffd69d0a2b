import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import yauzl from 'yauzl';
import { DiskBlobs } from '#blobs/disk-blobs.js';
import { asBuildId, asWorkerId } from '#core/ids.js';
import type { SandboxFile } from '#engine/backend/backend.js';
import { newProjectSettings } from '#testing/factories.js';
import { FakeClock } from '#testing/fake-clock.js';
import { BlobArtifacts } from './blob-artifacts.js';

const lease = {
  buildId: asBuildId('0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f'),
  attempt: 1,
  workerId: asWorkerId('host-00000001'),
};

describe('BlobArtifacts, packaging ZIP', () => {
  let root: string;
  let blobs: DiskBlobs;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'blob-artifacts-'));
    blobs = new DiskBlobs({ root });
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  it('keeps a symbolic link as a link and a program executable', async () => {
    const artifacts = new BlobArtifacts(blobs, lease, new FakeClock());
    const saved = await artifacts.save({
      settings: newProjectSettings(),
      identifier: '',
      name: 'a.zip',
      packaging: 'ZIP',
      files: Readable.from([
        { name: 'lib/a.so.1', file: fileOf({ mode: 0o755, sizeBytes: 4 }, 'text') },
        { name: 'lib/a.so', file: fileOf({ type: 'symlink', mode: 0o777, linkTarget: 'a.so.1' }) },
      ]),
      signal: new AbortController().signal,
    });
    expect(saved.fileCount).toBe(2);
    expect(await entriesOf(await buffer(await blobs.get(saved.location)))).toEqual([
      ['lib/a.so.1', '100755', 'text'],
      ['lib/a.so', '120777', 'a.so.1'],
    ]);
  });
});

function fileOf(facts: Partial<SandboxFile>, content?: string): SandboxFile {
  const open = async (): Promise<Readable> => {
    if (content === undefined) throw new Error('a link has no bytes');
    return Readable.from([Buffer.from(content)]);
  };
  return {
    path: '',
    type: 'file',
    mode: 0o644,
    sizeBytes: 0,
    mtime: new Date('2026-01-02T03:04:06.000Z'),
    open,
    ...facts,
  };
}

/** Name, mode in octal, content. */
function entriesOf(zip: Buffer): Promise<[string, string, string][]> {
  return new Promise((resolve, reject) => {
    yauzl.fromBuffer(zip, { lazyEntries: true }, (error, archive) => {
      if (error) return reject(error);
      const entries: [string, string, string][] = [];
      archive.on('error', reject);
      archive.on('end', () => resolve(entries));
      archive.on('entry', (entry: yauzl.Entry) => {
        archive.openReadStream(entry, (failed, stream) => {
          if (failed) return reject(failed);
          buffer(stream).then((content) => {
            entries.push([entry.fileName, (entry.externalFileAttributes >>> 16).toString(8), content.toString()]);
            archive.readEntry();
          }, reject);
        });
      });
      archive.readEntry();
    });
  });
}
