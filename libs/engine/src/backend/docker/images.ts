// The images of builds on one engine: whether one is here, whether this project may use it, and how it comes here. Who may: an image
// that came with a project's credential is used only by those whom its registry would give it to, asked each time (decision 0016).
import type Docker from 'dockerode';
import { Fault, PhaseFailure } from '#core/errors.js';
import type { ImageInfo, ImageRequest } from '../backend.js';
import { engineFault, statusOf } from './engine-errors.js';
import { ImageAccess, accessKey, type Ask } from './image-access.js';
import { parseImageName, repositoryOf, withDigest, type ImageName } from './image-name.js';
import { PrivateImages, type LocalImage } from './private-images.js';
import { PULL_LIMITS, pullImage, type PullLimits, type RegistryAuth } from './pull.js';
import { RegistryCredentials } from './registry-credentials.js';
import { repositoryOf as pulledFrom, type PulledImages } from './pulled-images.js';
import { pullFailure, unableToPull, verdictOf } from './registry-answer.js';
import { SharedPulls } from './shared-pulls.js';

export interface ImagesOptions {
  /** Told of each image that Kilnyard brings to this engine: those alone may be removed again. */
  pulled: Pick<PulledImages, 'add'>;
  /** Where it is written down which images came with a project's credential. */
  privateImagesFile: string;
  /** The operator's credentials (registry-credentials.ts); empty: none. */
  registryAuthFile?: string;
  limits?: Partial<PullLimits>;
  /** How long a registry's yes holds. */
  accessCacheMs?: number;
}

export class DockerImages {
  private readonly access: ImageAccess;
  private readonly privateImages: PrivateImages;
  private readonly credentials: RegistryCredentials;
  private readonly pulls = new SharedPulls();
  private readonly pulled: Pick<PulledImages, 'add'>;
  private readonly limits: PullLimits;

  constructor(
    private readonly docker: Docker,
    options: ImagesOptions,
  ) {
    this.access = new ImageAccess(docker, { cacheMs: options.accessCacheMs, attempts: options.limits?.attempts });
    this.privateImages = new PrivateImages(options.privateImagesFile);
    this.pulled = options.pulled;
    this.credentials = new RegistryCredentials(options.registryAuthFile ?? '');
    this.limits = { ...PULL_LIMITS, ...options.limits };
  }

  /**
   * The image, ready to make a container from. Free images that are here cost one question to the engine.
   * Errors: as Backend.prepareImage.
   */
  async prepare(request: ImageRequest): Promise<ImageInfo> {
    const { image, signal } = request;
    const name = parseImageName(image);
    const local = await this.inspect(image);
    const isPrivate = local !== null && (await this.privateImages.has(local));
    if (name === null || (local !== null && isNamedById(image, name, local))) return byId(image, local, isPrivate);
    // what a digest names cannot move
    const anew = request.policy === 'ALWAYS' && name.digest === null;
    if (local !== null && !isPrivate && !anew) return infoOf(local, name);
    const auth = request.auth ?? (await this.credentials.for(name.registry));
    try {
      if (local !== null && !anew && (await this.mayUse(local, name, auth, request))) return infoOf(local, name);
      return await this.newest(request, name, local, auth);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof Fault || error instanceof PhaseFailure) throw error;
      throw isPrivate ? noRight(name, error) : pullFailure(name.full, error);
    }
  }

  /** What `image` stands for here, where any project may use it without being asked; else null. Errors: as prepare. */
  async free(image: string): Promise<ImageInfo | null> {
    const local = await this.inspect(image);
    if (local === null || (await this.privateImages.has(local))) return null;
    const name = parseImageName(image);
    return name === null ? { id: local.id, digest: local.repoDigests[0] ?? local.id } : infoOf(local, name);
  }

  /** False when the registry no longer has what is here: then what it has now is pulled. */
  private async mayUse(local: LocalImage, name: ImageName, auth: RegistryAuth | undefined, ask: Ask): Promise<boolean> {
    for (const digest of digestsIn(local, name)) {
      try {
        await this.access.check(withDigest(name, digest), auth, ask);
        return true;
      } catch (error) {
        if (verdictOf(error) !== 'missing') throw error;
      }
    }
    return false;
  }

  /** What the name means in its registry now, pulled by digest where it is not here yet. */
  private async newest(
    request: ImageRequest,
    name: ImageName,
    local: LocalImage | null,
    auth: RegistryAuth | undefined,
  ): Promise<ImageInfo> {
    const digest = await this.resolve(name, auth, request);
    const exact = digest === null ? name.full : withDigest(name, digest);
    if (digest !== null) {
      this.access.grant(exact, auth);
      if (local !== null && digestsIn(local, name).includes(digest)) return infoOf(local, name);
    }
    const here = digest === null ? null : await this.inspect(exact);
    if (here === null) await this.pull(exact, request, name, auth);
    const pulled = here ?? (await this.inspect(exact));
    if (pulled === null) throw new Fault('DOCKER_UNAVAILABLE', `the engine pulled ${exact} and does not have it`);
    if (name.digest === null && digest !== null) await this.tag(pulled.id, name);
    return infoOf(pulled, name, digest);
  }

  /** Null from an engine that cannot ask: it is left to the pull, then. */
  private async resolve(name: ImageName, auth: RegistryAuth | undefined, ask: Ask): Promise<string | null> {
    try {
      return await this.access.resolve(name.full, auth, ask);
    } catch (error) {
      if (!ask.signal.aborted && verdictOf(error) === 'cannot-ask') return null;
      throw error;
    }
  }

  private async pull(
    exact: string,
    request: ImageRequest,
    name: ImageName,
    auth: RegistryAuth | undefined,
  ): Promise<void> {
    const { say, signal } = request;
    say(
      exact === name.full ? `Pulling ${exact}` : `Pulling ${name.full}: it is ${exact.slice(exact.indexOf('@') + 1)}`,
    );
    const marked = request.auth !== undefined && !(await this.isPublic(exact, request));
    if (marked) await this.mark(() => this.privateImages.addRepository(name.repository));
    const before = await this.allIds();
    const began = performance.now();
    await this.pulls.join(accessKey(exact, auth), { say, signal }, (sayAll, shared) =>
      pullImage(this.docker, { image: exact, ...(auth ? { auth } : {}), say: sayAll, signal: shared }, this.limits),
    );
    say(`Pulled ${name.full} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const pulled = await this.inspect(exact);
    if (pulled === null) return;
    if (!before.has(pulled.id)) await this.pulled.add(pulled.id, pulledFrom(name.full));
    if (marked) await this.mark(() => this.privateImages.addImage(pulled.id));
  }

  private async allIds(): Promise<Set<string>> {
    try {
      return new Set((await this.docker.listImages({ all: true })).map(({ Id }) => Id));
    } catch (error) {
      throw engineFault(error, 'listing images');
    }
  }

  /** A credential for a public image (for its registry's limits, say) makes nothing private. */
  private async isPublic(exact: string, { signal }: Ask): Promise<boolean> {
    try {
      await this.access.check(exact, undefined, { signal, say: () => undefined });
      return true;
    } catch {
      signal.throwIfAborted();
      return false; // what cannot be told is private
    }
  }

  private async mark(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const full = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
      throw new Fault(
        full ? 'STORAGE_FULL' : 'INTERNAL',
        'It could not be written down that this image is private, so it is not used',
        { cause: error, retryable: true },
      );
    }
  }

  /** A pull by digest leaves no tag, and the next build asks by tag. */
  private async tag(id: string, name: ImageName): Promise<void> {
    try {
      await this.docker.getImage(id).tag({ repo: name.full.slice(0, -name.tag.length - 1), tag: name.tag });
    } catch (error) {
      throw engineFault(error, `tagging ${name.full}`);
    }
  }

  private async inspect(image: string): Promise<LocalImage | null> {
    try {
      const { Id, RepoTags, RepoDigests } = await this.docker.getImage(image).inspect();
      return { id: Id, repoTags: RepoTags ?? [], repoDigests: RepoDigests ?? [] };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      if (statusOf(error) === 400) throw pullFailure(image, error);
      throw engineFault(error, `looking for the image ${image}`);
    }
  }
}

/** The engine takes the beginning of an id for a name too, when no image has that name. */
function isNamedById(image: string, name: ImageName, local: LocalImage): boolean {
  if (!local.id.startsWith(`sha256:${image}`)) return false;
  return !local.repoTags.some((tag) => parseImageName(tag)?.repository === name.repository);
}

function byId(image: string, local: LocalImage | null, isPrivate: boolean): ImageInfo {
  if (local === null) throw unableToPull(image, 'no image with this id is on the worker, and no registry knows ids');
  if (isPrivate)
    throw unableToPull(
      image,
      'this image came from a private repository: name it by its repository, so that its registry can be asked',
    );
  return { id: local.id, digest: local.repoDigests[0] ?? local.id };
}

/** As this repository calls it: of a manifest, of an index of platforms, or of both. */
function digestsIn(local: LocalImage, name: ImageName): string[] {
  const known = local.repoDigests.filter((one) => repositoryOf(one) === name.repository);
  return known.map((one) => one.slice(one.indexOf('@') + 1));
}

function infoOf(local: LocalImage, name: ImageName, resolved: string | null = null): ImageInfo {
  const digest = resolved ?? digestsIn(local, name)[0];
  return { id: local.id, digest: digest === undefined ? (local.repoDigests[0] ?? local.id) : withDigest(name, digest) };
}

/** Of an image that is here and private: without a yes of its registry it is not used, whatever the reason. */
function noRight(name: ImageName, error: unknown): Error {
  const failure = pullFailure(name.full, error);
  if (failure instanceof Fault || verdictOf(error) !== 'trouble') return failure;
  return unableToPull(
    name.full,
    `it is private, and its registry does not answer whether this project may use it: ${failure.message.split(': ').slice(1).join(': ')}`,
    { cause: error, again: true },
  );
}
