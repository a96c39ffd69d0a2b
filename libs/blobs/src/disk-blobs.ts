// Room: blobs. Objects as files under one folder of the local disk: `objects/<key>`, and `tmp/` for what is still being written.
// Several processes may use one root. A key and a prefix of the same name cannot both be on disk (`a` beside `a/b`).
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  statfs,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { Fault, isNoSpace, messageOf, Refusal } from '#core/errors.js';
import { checkKey, checkPrefix } from './blob-key.js';
import { Blobs, type BlobInfo } from './blobs.js';

/** How often a put starts over when another process removes the folder that it is about to write into. */
const MAX_PLACE_TRIES = 10;

export class DiskBlobs extends Blobs {
  private readonly objects: string;
  private readonly temp: string;

  constructor(options: { root: string }) {
    super();
    this.objects = join(options.root, 'objects');
    this.temp = join(options.root, 'tmp');
  }

  async put(key: string, data: NodeJS.ReadableStream, signal?: AbortSignal): Promise<BlobInfo & { md5: string }> {
    checkKey(key);
    const temp = join(this.temp, randomUUID());
    // heard from now on: until it is read, nobody else would hear it
    const source: { error: Error | null } = { error: null };
    data.once('error', (error: Error) => (source.error = error));
    try {
      signal?.throwIfAborted();
      await mkdir(this.temp, { recursive: true });
      if (source.error !== null) throw source.error;
      const written = await writeDurably(temp, data, signal);
      signal?.throwIfAborted();
      await this.place(temp, key);
      return { key, ...written };
    } catch (thrown) {
      (data as Readable).destroy();
      await rm(temp, { force: true });
      throw await this.asStorageFault(signal?.aborted ? signal.reason : thrown, key);
    }
  }

  async get(key: string, range?: { start: number; end: number }): Promise<NodeJS.ReadableStream> {
    checkKey(key);
    const handle = await this.openObject(key);
    if (handle === null) throw new Refusal('NOT_FOUND', `there is no stored object ${key}`);
    try {
      const info = await handle.stat();
      if (!info.isFile()) throw new Refusal('NOT_FOUND', `there is no stored object ${key}`);
      if (range && (range.start < 0 || range.start > range.end || range.start >= info.size)) {
        const message = `range ${range.start}-${range.end} does not lie in ${key}, which has ${info.size} bytes`;
        throw new Refusal('RANGE_NOT_SATISFIABLE', message, { details: { sizeBytes: info.size } });
      }
      return handle.createReadStream(range ? { start: range.start, end: range.end } : {});
    } catch (thrown) {
      await handle.close();
      throw thrown;
    }
  }

  async stat(key: string): Promise<{ sizeBytes: number } | null> {
    checkKey(key);
    if (!(await this.isPlainFolder(dirname(key)))) return null;
    const info = await lstat(join(this.objects, key)).catch(missingAsNull);
    return info?.isFile() ? { sizeBytes: info.size } : null;
  }

  async *list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }> {
    checkPrefix(prefix);
    if (await this.isPlainFolder(prefix.slice(0, -1))) yield* this.walk(prefix);
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    if ((await this.stat(key)) === null) return;
    await unlink(join(this.objects, key)).catch(missingAsNull);
    await this.removeEmptyFolders(dirname(key));
  }

  async deletePrefix(prefix: string): Promise<void> {
    checkPrefix(prefix);
    if (prefix === '') throw new Error('a prefix is needed: deleting everything is never meant');
    const folder = prefix.slice(0, -1);
    if (folder === '' || !(await this.isPlainFolder(folder))) return;
    // Moved away first, so that readers see all of it or nothing.
    const doomed = join(this.temp, randomUUID());
    await mkdir(this.temp, { recursive: true });
    await rename(join(this.objects, folder), doomed).catch(missingAsNull);
    await rm(doomed, { recursive: true, force: true });
    await this.removeEmptyFolders(dirname(folder));
  }

  async check(): Promise<void> {
    try {
      await mkdir(this.temp, { recursive: true });
      await access(this.temp, constants.W_OK);
    } catch (thrown) {
      const message = `the folder of artifacts and caches cannot be written: ${messageOf(thrown)}`;
      throw new Fault('STORAGE_UNAVAILABLE', message, { cause: thrown });
    }
  }

  close(): void {
    // every file is closed with its stream
  }

  async removeAbandoned(olderThanMs: number): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.temp).catch(() => [])) {
      const info = await lstat(join(this.temp, name)).catch(missingAsNull);
      if (info === null || Date.now() - info.mtimeMs < olderThanMs) continue;
      await rm(join(this.temp, name), { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  }

  private async asStorageFault(thrown: unknown, key: string): Promise<unknown> {
    if (!isNoSpace(thrown)) return thrown;
    const { bavail, blocks, bsize } = await statfs(this.temp);
    const [free, total] = [bavail, blocks].map((count) => Math.floor((count * bsize) / 1024 ** 2));
    return new Fault(
      'STORAGE_FULL',
      `The artifact storage is full (${free} of ${total} MiB free): no room for ${key}`,
      {
        cause: thrown,
        retryable: true,
        details: { disk: 'storage' },
      },
    );
  }

  /** Makes the object visible: one rename, then the folder's own entry is made durable. */
  private async place(temp: string, key: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const folder = await this.makeFolder(dirname(key));
        await rename(temp, join(this.objects, key));
        return await syncFolder(folder);
      } catch (thrown) {
        // A delete may take the empty folder away between the two steps.
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT' || tries === MAX_PLACE_TRIES) throw thrown;
      }
    }
  }

  private async makeFolder(folder: string): Promise<string> {
    await mkdir(this.objects, { recursive: true });
    let at = this.objects;
    for (const part of partsOf(folder)) {
      const parent = at;
      at = join(at, part);
      await mkdir(at).then(
        () => syncFolder(parent),
        (thrown: NodeJS.ErrnoException) => {
          if (thrown.code !== 'EEXIST') throw thrown;
        },
      );
      const info = await lstat(at);
      if (!info.isDirectory()) throw new Error(`${folder} cannot hold objects: ${part} is an object or a link there`);
    }
    return at;
  }

  private async openObject(key: string): Promise<FileHandle | null> {
    if (!(await this.isPlainFolder(dirname(key)))) return null;
    try {
      return await open(join(this.objects, key), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ELOOP') return null;
      return missingAsNull(thrown as NodeJS.ErrnoException);
    }
  }

  /** Whether the folder is there with no symlink on the way: nothing outside the root is ever read, listed or deleted. */
  private async isPlainFolder(folder: string): Promise<boolean> {
    let at = this.objects;
    for (const part of ['', ...partsOf(folder)]) {
      at = join(at, part);
      if (!(await lstat(at).catch(missingAsNull))?.isDirectory()) return false;
    }
    return true;
  }

  private async *walk(prefix: string): AsyncIterable<{ key: string; sizeBytes: number }> {
    const entries = await readdir(join(this.objects, prefix), { withFileTypes: true }).catch(missingAsNull);
    if (entries === null) return;
    // With its slash a folder sorts where its keys do: `a.b` before `a/b`.
    const names = entries
      .filter((e) => e.isFile() || e.isDirectory())
      .map((e) => (e.isDirectory() ? `${e.name}/` : e.name));
    for (const name of names.sort((a, b) => (a < b ? -1 : 1))) {
      if (name.endsWith('/')) yield* this.walk(prefix + name);
      else {
        const info = await lstat(join(this.objects, prefix, name)).catch(missingAsNull);
        if (info !== null) yield { key: prefix + name, sizeBytes: info.size };
      }
    }
  }

  private async removeEmptyFolders(folder: string): Promise<void> {
    const parts = partsOf(folder);
    for (; parts.length > 0; parts.pop()) {
      const removed = await rmdir(join(this.objects, ...parts)).then(
        () => true,
        () => false, // Not empty, or gone already.
      );
      if (!removed) return;
    }
  }
}

async function writeDurably(
  path: string,
  data: NodeJS.ReadableStream,
  signal: AbortSignal | undefined,
): Promise<{ sizeBytes: number; sha256: string; md5: string }> {
  const [sha256, md5] = [createHash('sha256'), createHash('md5')];
  let sizeBytes = 0;
  const stream = signal && data instanceof Readable ? addAbortSignal(signal, data) : data;
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const piece of stream) {
      signal?.throwIfAborted();
      const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
      sha256.update(chunk);
      md5.update(chunk);
      sizeBytes += chunk.length;
      await handle.writeFile(chunk);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { sizeBytes, sha256: sha256.digest('hex'), md5: md5.digest('hex') };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function partsOf(folder: string): string[] {
  return folder.split('/').filter((part) => part !== '' && part !== '.');
}

function missingAsNull(thrown: NodeJS.ErrnoException): null {
  if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') return null;
  throw thrown;
}
