// A folder of the blob store as a zip, made while it is read: one file open at a time, nothing on disk.
import type { Readable } from 'node:stream';
import yazl from 'yazl';
import type { Blobs } from '#blobs/blobs.js';
import { pathOfKey } from '#blobs/file-name.js';
import { nameInZip } from '#blobs/zip-name.js';

/** Zips carry local times; a fixed one makes the same folder give the same zip. */
const ZIP_TIME = new Date(1980, 0, 1);

/** In: a prefix that ends in `/`. Out: the zip as a stream; it breaks with the store's error. Names are the files' own. */
export function zipFolder(blobs: Blobs, prefix: string): Readable {
  const zip = new yazl.ZipFile();
  const out = zip.outputStream as Readable;
  void fill(blobs, prefix, zip).catch((error: unknown) => {
    out.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  return out;
}

async function fill(blobs: Blobs, prefix: string, zip: yazl.ZipFile): Promise<void> {
  for await (const { key, sizeBytes } of blobs.list(prefix)) {
    zip.addReadStreamLazy(
      nameInZip(pathOfKey(key.slice(prefix.length))),
      { mtime: ZIP_TIME, size: sizeBytes, mode: 0o100644 },
      (open: (error: unknown, stream: NodeJS.ReadableStream) => void) => {
        blobs.get(key).then(
          (stream) => open(null, stream),
          (error: unknown) => open(error, null as unknown as NodeJS.ReadableStream),
        );
      },
    );
  }
  zip.end();
}
