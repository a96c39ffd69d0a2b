// The engine's cache store on a folder of the person's: a packed tar for each entry, and beside it a JSON file that tells what it is. What
// has no JSON file is no entry, so a save that was cut off left none.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { Clock } from '#core/clock.js';
import { CacheStore } from '#engine/ports.js';

const shape = z.object({
  key: z.string(),
  version: z.string(),
  savedAtMs: z.number(),
  sourceFolder: z.string(),
  codec: z.enum(['gzip', 'zstd']),
  workspaceOnly: z.boolean(),
  data: z.string().regex(/^[0-9a-f-]+\.tar$/),
  sizeBytes: z.number(),
});
type Entry = z.output<typeof shape>;

export class FolderCache extends CacheStore {
  constructor(
    private readonly dir: string,
    private readonly clock: Clock,
  ) {
    super();
  }

  async restore(request: Parameters<CacheStore['restore']>[0]): ReturnType<CacheStore['restore']> {
    const entry = await this.find(request);
    if (entry === null) return null;
    const { key, sizeBytes, sourceFolder, codec, workspaceOnly, data } = entry;
    const bytes = createReadStream(join(this.dir, data));
    const packed = { codec, workspaceOnly, bytes };
    return { key, exact: key === request.key, from: 'own', sizeBytes, sourceFolder, packed };
  }

  async save(request: Parameters<CacheStore['save']>[0]): ReturnType<CacheStore['save']> {
    const { key, version, replace, sourceFolder, packed, signal } = request;
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    const file = join(this.dir, `${nameOf(key, version)}.json`);
    const before = await readEntry(file);
    if (before !== null && !replace) {
      packed.bytes.destroy();
      return { sizeBytes: 0, saved: 'exists' };
    }
    const data = `${randomUUID()}.tar`;
    try {
      const out = createWriteStream(join(this.dir, data), { flags: 'wx', mode: 0o600 });
      await pipeline(packed.bytes, out, { signal });
      const { codec, workspaceOnly } = packed;
      const savedAtMs = this.clock.now().getTime();
      const sizeBytes = out.bytesWritten;
      const entry: Entry = { key, version, savedAtMs, sourceFolder, codec, workspaceOnly, data, sizeBytes };
      await writeFile(`${file}.${data}.new`, JSON.stringify(entry), { mode: 0o600 });
      await rename(`${file}.${data}.new`, file);
      if (before !== null) await rm(join(this.dir, before.data), { force: true });
      return { sizeBytes, saved: 'saved' };
    } catch (error) {
      await rm(`${file}.${data}.new`, { force: true });
      await rm(join(this.dir, data), { force: true });
      throw error;
    }
  }

  private async find({
    key,
    fallbackPrefixes,
    version,
  }: Pick<Parameters<CacheStore['restore']>[0], 'key' | 'fallbackPrefixes' | 'version'>): Promise<Entry | null> {
    const entries = (await this.entries()).filter((one) => one.version === version);
    const exact = entries.find((one) => one.key === key);
    if (exact !== undefined) return exact;
    for (const prefix of fallbackPrefixes) {
      const [newest] = entries
        .filter((one) => one.key.startsWith(prefix))
        .sort((one, other) => other.savedAtMs - one.savedAtMs);
      if (newest !== undefined) return newest;
    }
    return null;
  }

  /** Those whose bytes are all there. */
  private async entries(): Promise<Entry[]> {
    const names = await readdir(this.dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const whole: Entry[] = [];
    for (const name of names.filter((one) => one.endsWith('.json'))) {
      const entry = await readEntry(join(this.dir, name));
      const found = entry === null ? null : await stat(join(this.dir, entry.data)).catch(() => null); // taken away
      if (entry !== null && found?.size === entry.sizeBytes) whole.push(entry);
    }
    return whole;
  }
}

function nameOf(key: string, version: string): string {
  return createHash('sha256')
    .update(JSON.stringify([key, version]))
    .digest('hex');
}

/** Null for none, and for a file that this program did not write. */
async function readEntry(file: string): Promise<Entry | null> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return shape.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
