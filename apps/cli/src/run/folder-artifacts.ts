// The engine's artifact store on a folder of the person's: the primary artifact's files right in it, each secondary's in a folder of its name.
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Artifact } from '#core/build.js';
import type { Clock } from '#core/clock.js';
import { PhaseFailure } from '#core/errors.js';
import { ArtifactStore } from '#engine/ports.js';

type SaveRequest = Parameters<ArtifactStore['save']>[0];

/** What the file system says when something else is in the way. */
const IN_THE_WAY = ['ENOTDIR', 'EEXIST', 'EISDIR', 'ENOTEMPTY', 'ENAMETOOLONG', 'EACCES', 'EPERM'];

export class FolderArtifacts extends ArtifactStore {
  /** Written by this attempt, absolute. */
  private readonly written = new Set<string>();

  constructor(
    private readonly dir: string,
    private readonly clock: Clock,
  ) {
    super();
  }

  /** All files are complete before the first takes its place; what lies there under the same names is replaced, all else stays. */
  async save(request: SaveRequest): Promise<Artifact> {
    const { identifier, name } = request;
    const location = join(this.dir, identifier);
    await mkdir(this.dir, { recursive: true });
    const staging = await mkdtemp(join(this.dir, '.kilnyard-'));
    try {
      const { names, sizeBytes } = await this.stage(staging, request);
      for (const one of names) await this.place(join(staging, one), join(location, one));
      const fileCount = names.length;
      return { identifier, name, packaging: 'NONE', fileCount, sizeBytes, location, createdAt: this.clock.now() };
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }

  private async stage(staging: string, request: SaveRequest): Promise<{ names: string[]; sizeBytes: number }> {
    const names: string[] = [];
    let sizeBytes = 0;
    for await (const { name, file } of request.files) {
      const path = join(staging, name);
      await mkdir(dirname(path), { recursive: true });
      const out = createWriteStream(path, { flags: 'wx', mode: 0o600 | (file.mode & 0o777) });
      await pipeline(await file.open(), out, { signal: request.signal });
      sizeBytes += out.bytesWritten;
      names.push(name);
    }
    return { names, sizeBytes };
  }

  private async place(from: string, to: string): Promise<void> {
    if (this.written.has(to))
      throw new PhaseFailure('CLIENT_ERROR', `Two artifacts have a file ${relative(this.dir, to)}`);
    try {
      await mkdir(dirname(to), { recursive: true });
      await rename(from, to);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!IN_THE_WAY.includes(code)) throw error;
      throw new PhaseFailure('CLIENT_ERROR', `The artifact's file ${to} cannot be put there (${code})`, {
        cause: error,
      });
    }
    this.written.add(to);
  }
}
