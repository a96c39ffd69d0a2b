// Which images on this engine came with a project's credential, and so are not free for all. Kept beside the data folder's
// instance id: the engine itself keeps no such mark. What is not in here was put on the engine by its operator, and is free.
import { open, readFile, stat } from 'node:fs/promises';
import { repositoryOf } from './image-name.js';

export interface LocalImage {
  /** `sha256:…` */
  id: string;
  repoTags: readonly string[];
  repoDigests: readonly string[];
}

/** Lines `repository <name>` and `image <id>`, only ever added to; several workers of one host may share the file. */
export class PrivateImages {
  private entries = new Set<string>();
  private readBytes = -1;

  constructor(private readonly file: string) {}

  /** By its id, or by any repository that it is known under. */
  async has(image: LocalImage): Promise<boolean> {
    await this.refresh();
    return (
      this.entries.has(`image ${image.id}`) ||
      [...image.repoTags, ...image.repoDigests].some((one) => this.entries.has(`repository ${repositoryOf(one)}`))
    );
  }

  /** Durable when it resolves: called before the pull, so that no image is here without its mark. Errors: the file system's. */
  async addRepository(repository: string): Promise<void> {
    await this.add(`repository ${repository}`);
  }

  /** For the time when the image has lost its names. */
  async addImage(id: string): Promise<void> {
    await this.add(`image ${id}`);
  }

  private async add(entry: string): Promise<void> {
    await this.refresh();
    if (this.entries.has(entry)) return;
    const file = await open(this.file, 'a', 0o600);
    try {
      // a line cut by a crash or a full disk must not swallow this one
      await file.appendFile(`\n${entry}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    this.entries.add(entry);
  }

  /** Another worker may have added to it. */
  private async refresh(): Promise<void> {
    const size = await stat(this.file).then(
      (stats) => stats.size,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return 0;
        throw error;
      },
    );
    if (size === this.readBytes) return;
    const text = size === 0 ? '' : await readFile(this.file, 'utf8');
    this.entries = new Set(text.split('\n').filter((line) => line !== ''));
    this.readBytes = size;
  }
}
