// Which images on this engine Kilnyard pulled, and when each was last used: nothing else is ever removed from the engine. The engine keeps
// no such mark, so it is kept beside the data folder's instance id: a file an image, its time the last use. Workers of one host share it.
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const REMOVING = '.removing';
const RECORD = /^[0-9a-f]{64}$/;
/** A removal that takes longer belongs to a dead process. */
const REMOVAL_MS = 60_000;
const POLL_MS = 50;

export interface PulledImage {
  /** `sha256:…` */
  id: string;
  /** Repositories that it was pulled from, as parsed by `repositoryOf`. */
  repositories: string[];
  usedAtMs: number;
}

export class PulledImages {
  /** `dir` is made when the first image is written down. */
  constructor(private readonly dir: string) {}

  /** Errors: the file system's; the image is then one that is never removed. */
  async add(id: string, repository: string): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    const known = await this.read(nameOf(id));
    const repositories = [...new Set([...(known?.repositories ?? []), repository])];
    const draft = join(this.dir, `${nameOf(id)}.${process.pid}.draft`);
    await writeFile(draft, JSON.stringify({ repositories }), { mode: 0o600 });
    await rename(draft, join(this.dir, nameOf(id)));
  }

  /**
   * A build is about to use the image: it counts as used now, and is not removed under its hands.
   * Out: false when it was just being removed; it is gone by then, and must be looked for again.
   */
  async use(id: string): Promise<boolean> {
    const path = join(this.dir, nameOf(id));
    const now = new Date();
    if (await touched(path, now)) return true;
    for (const until = Date.now() + REMOVAL_MS; (await exists(path + REMOVING)) && Date.now() < until;) {
      await sleep(POLL_MS);
      if (!(await exists(path + REMOVING))) return false;
    }
    return true;
  }

  /** Least recently used first. Ends what a dead process began. */
  async list(): Promise<PulledImage[]> {
    const images: PulledImage[] = [];
    for (const name of await namesIn(this.dir)) {
      if (name.endsWith(REMOVING)) await this.revive(name);
      if (!RECORD.test(name)) continue;
      const image = await this.read(name);
      if (image !== null) images.push(image);
    }
    return images.sort((a, b) => a.usedAtMs - b.usedAtMs);
  }

  /**
   * Takes an image for removal, calls `remove`, and forgets it when that says true.
   * Nothing happens when a build has used it since it was listed. Builds that want it meanwhile wait. Out: whether it is gone.
   */
  async removing(image: PulledImage, remove: () => Promise<boolean>): Promise<boolean> {
    const path = join(this.dir, nameOf(image.id));
    if (!(await renamed(path, path + REMOVING))) return false;
    let gone = false;
    try {
      const { mtimeMs } = await stat(path + REMOVING);
      gone = mtimeMs === image.usedAtMs && (await remove());
    } finally {
      await (gone ? rm(path + REMOVING, { force: true }) : renamed(path + REMOVING, path));
    }
    return gone;
  }

  /** It is not on the engine any more. */
  async forget(id: string): Promise<void> {
    await rm(join(this.dir, nameOf(id)), { force: true });
  }

  private async read(name: string): Promise<PulledImage | null> {
    const path = join(this.dir, name);
    try {
      const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
      const { repositories } = JSON.parse(text) as { repositories: string[] };
      return { id: `sha256:${name}`, repositories, usedAtMs: mtimeMs };
    } catch {
      return null; // gone meanwhile, or not written by us: nothing that we may remove
    }
  }

  private async revive(name: string): Promise<void> {
    const path = join(this.dir, name);
    const info = await stat(path).catch(() => null);
    if (info !== null && Date.now() - info.ctimeMs > REMOVAL_MS) await renamed(path, path.slice(0, -REMOVING.length));
  }
}

/** `registry/name` of a reference, without tag and digest, spelt as the engine does. */
export function repositoryOf(reference: string): string {
  const [plain = ''] = reference.split('@');
  const colon = plain.lastIndexOf(':');
  const name = colon > plain.lastIndexOf('/') ? plain.slice(0, colon) : plain;
  return name.replace(/^(index\.)?docker\.io\//, '').replace(/^library\//, '');
}

function nameOf(id: string): string {
  return id.replace(/^sha256:/, '');
}

async function touched(path: string, at: Date): Promise<boolean> {
  return utimes(path, at, at).then(() => true, falseWhereMissing);
}

async function renamed(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(() => true, falseWhereMissing);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, falseWhereMissing);
}

function falseWhereMissing(error: NodeJS.ErrnoException): false {
  if (error.code === 'ENOENT') return false;
  throw error;
}

async function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}
