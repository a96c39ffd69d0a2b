// What a Kilnyard leaves on an engine beside its builds' containers: helpers, networks, volumes, images. Each is told by our instance's
// label, images by our own record; what has neither is somebody else's and is never touched. Nothing here is ever forced.
import type Docker from 'dockerode';
import { engineFault, statusOf } from './engine-errors.js';
import { LABEL } from './host-config.js';
import { type PulledImage, PulledImages, repositoryOf } from './pulled-images.js';

/** What is younger may belong to somebody who is at work. */
const YOUNG_MS = 10 * 60_000;
/** An image that was used so short a time ago stays, whatever the budget says. */
export const IMAGE_IDLE_MS = 10 * 60_000;
/** An image without a tag (another one has it now, or it was asked for by digest) goes when nobody used it for so long. */
export const DANGLING_IDLE_MS = 86_400_000;

export interface Swept {
  items: number;
  bytes: number;
}

export interface ImageSweep {
  removed: { id: string; names: string[]; bytes: number }[];
  /** Of those that Kilnyard pulled and that are left. */
  images: number;
  bytes: number;
}

interface OnEngine {
  record: PulledImage;
  tags: string[];
  names: string[];
  bytes: number;
}

export class DockerLeftovers {
  constructor(
    private readonly docker: Docker,
    private readonly options: { instance: string; network: string; pulled: PulledImages },
  ) {}

  /** Containers that this Kilnyard ran for a moment, for itself, and that outlived their worker. */
  async helpers(now = Date.now()): Promise<Swept> {
    const filters = { label: [this.ours, LABEL.helper] };
    const found = await this.asked('listing helpers', () => this.docker.listContainers({ all: true, filters }));
    const old = found.filter(({ Created }) => now - Created * 1000 > YOUNG_MS);
    return this.each(old, ({ Id }) => this.docker.getContainer(Id).remove({ force: true, v: true }));
  }

  /** Networks of this Kilnyard that it no longer uses, with nobody in them. */
  async networks(now = Date.now()): Promise<Swept> {
    const found = await this.asked('listing networks', () =>
      this.docker.listNetworks({ filters: { label: [this.ours] } }),
    );
    const old = found.filter(
      ({ Name, Created }) => Name !== this.options.network && now - Date.parse(Created ?? '') > YOUNG_MS,
    );
    return this.each(old, ({ Id }) => this.docker.getNetwork(Id).remove());
  }

  /** Volumes of this Kilnyard that no container has. */
  async volumes(now = Date.now()): Promise<Swept> {
    const filters = { label: [this.ours], dangling: ['true'] };
    const { Volumes } = await this.asked('listing volumes', () => this.docker.listVolumes({ filters }));
    const old = (Volumes as { Name: string; CreatedAt?: string }[]).filter(
      ({ CreatedAt }) => now - Date.parse(CreatedAt ?? '') > YOUNG_MS,
    );
    return this.each(old, ({ Name }) => this.docker.getVolume(Name).remove());
  }

  /**
   * Images that Kilnyard pulled: those without a tag that nobody uses any more, then the least recently used until the rest fits into
   * `budgetBytes` (0: no budget). One that a container has, even a stopped one, stays, and so does one that somebody gave a name in
   * another repository. Bytes are the engine's: layers that images share count for each.
   */
  async images(budgetBytes: number, now = Date.now()): Promise<ImageSweep> {
    const images = await this.pulledOnEngine();
    let bytes = images.reduce((sum, image) => sum + image.bytes, 0);
    const removed: ImageSweep['removed'] = [];
    for (const image of images) {
      const idleMs = now - image.record.usedAtMs;
      const dangling = image.tags.length === 0 && idleMs > DANGLING_IDLE_MS;
      const over = budgetBytes > 0 && bytes > budgetBytes && idleMs > IMAGE_IDLE_MS;
      if (!(dangling || over) || !(await this.removeImage(image))) continue;
      removed.push({ id: image.record.id, names: image.names, bytes: image.bytes });
      bytes -= image.bytes;
    }
    return { removed, images: images.length - removed.length, bytes };
  }

  private get ours(): string {
    return `${LABEL.instance}=${this.options.instance}`;
  }

  private async pulledOnEngine(): Promise<OnEngine[]> {
    const images: OnEngine[] = [];
    for (const record of await this.options.pulled.list()) {
      try {
        const { RepoTags, RepoDigests, Size } = await this.docker.getImage(record.id).inspect();
        const tags = RepoTags ?? [];
        images.push({ record, tags, names: [...tags, ...(RepoDigests ?? [])], bytes: Size });
      } catch (error) {
        if (statusOf(error) !== 404) throw engineFault(error, `looking at the image ${record.id}`);
        await this.options.pulled.forget(record.id);
      }
    }
    return images;
  }

  private async removeImage({ record, names }: OnEngine): Promise<boolean> {
    if (names.some((name) => !record.repositories.includes(repositoryOf(name)))) return false;
    const users = await this.asked('listing containers', () =>
      this.docker.listContainers({ all: true, filters: { ancestor: [record.id] } }),
    );
    if (users.length > 0) return false;
    return this.options.pulled.removing(record, async () => {
      // by its names, one after the other: by its id the engine refuses one that has several
      for (const name of [...names, record.id]) {
        if (!(await this.removeOne(() => this.docker.getImage(name).remove()))) return false;
      }
      return true;
    });
  }

  private async each<T>(found: T[], remove: (one: T) => Promise<unknown>): Promise<Swept> {
    let items = 0;
    for (const one of found) if (await this.removeOne(() => remove(one))) items += 1;
    return { items, bytes: 0 };
  }

  /** Out: false when somebody has taken it into use. Errors: Fault DOCKER_UNAVAILABLE. */
  private async removeOne(remove: () => Promise<unknown>): Promise<boolean> {
    try {
      await remove();
      return true;
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return true;
      // 409: in use; 403: a network with somebody in it, as some engines say it
      if (status === 409 || status === 403) return false;
      throw engineFault(error, 'removing what is left over');
    }
  }

  private async asked<T>(doing: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw engineFault(error, doing);
    }
  }
}
