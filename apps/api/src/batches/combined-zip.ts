// All that the tasks of a batch left behind as one zip, made while it is read: one file open at a time, nothing on disk.
import type { Readable } from 'node:stream';
import yazl from 'yazl';
import type { Blobs } from '#blobs/blobs.js';
import { pathOfKey } from '#blobs/file-name.js';
import { nameInZip } from '#blobs/zip-name.js';
import type { TaskArtifact } from '#store/batch/read-batch.js';

/** Zips carry local times; a fixed one makes the same artifacts give the same zip. */
const ZIP_TIME = new Date(1980, 0, 1);

/**
 * Each artifact lies in a folder of its task's name, a secondary one in a folder of its identifier within: the files of a folder with
 * their paths, a zip as it is. Out: the zip as a stream; it breaks with the store's error.
 */
export function combinedZip(blobs: Blobs, artifacts: readonly TaskArtifact[]): Readable {
  const zip = new yazl.ZipFile();
  const out = zip.outputStream as Readable;
  void fill(blobs, artifacts, zip).catch((error: unknown) => {
    out.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return out;
}

async function fill(blobs: Blobs, artifacts: readonly TaskArtifact[], zip: yazl.ZipFile): Promise<void> {
  for (const { task, artifact } of artifacts) {
    const { identifier, location, packaging, sizeBytes, name } = artifact;
    const folder = identifier === '' ? task : `${task}/${identifier}`;
    if (packaging === 'ZIP') {
      const file = name.split('/').at(-1) ?? task;
      add(zip, blobs, { key: location, sizeBytes, path: `${folder}/${file.endsWith('.zip') ? file : `${file}.zip`}` });
      continue;
    }
    const prefix = `${location}/`;
    for await (const { key, sizeBytes: bytes } of blobs.list(prefix))
      add(zip, blobs, { key, sizeBytes: bytes, path: `${folder}/${pathOfKey(key.slice(prefix.length))}` });
  }
  zip.end();
}

function add(zip: yazl.ZipFile, blobs: Blobs, file: { key: string; sizeBytes: number; path: string }): void {
  zip.addReadStreamLazy(
    nameInZip(file.path),
    { mtime: ZIP_TIME, size: file.sizeBytes, mode: 0o100644 },
    (open: (error: unknown, stream: NodeJS.ReadableStream) => void) => {
      blobs.get(file.key).then(
        (stream) => open(null, stream),
        (error: unknown) => open(error, null as unknown as NodeJS.ReadableStream),
      );
    },
  );
}
