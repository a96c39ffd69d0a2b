// Names of images as the Docker Engine reads them. Pure.

export interface ImageName {
  /** `docker.io`, `registry.example.com:5000`. */
  registry: string;
  /** With its registry: `docker.io/library/node`; what a right to pull is given for. */
  repository: string;
  /** As the engine takes it, always with a tag or a digest. */
  full: string;
  /** `sha256:…` where the name says which; then the tag means nothing. */
  digest: string | null;
  tag: string;
}

/** Reads a name. Out: null for an image id (`sha256:…` or 64 hexadecimal digits), which no registry knows. */
export function parseImageName(image: string): ImageName | null {
  if (/^(sha256:)?[0-9a-f]{64}$/.test(image)) return null;
  const [named = '', digest = null] = image.split('@', 2);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const path = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? 'latest' : named.slice(colon + 1);
  const repository = canonical(path);
  return {
    registry: repository.slice(0, repository.indexOf('/')),
    repository,
    full: digest === null ? `${path}:${tag}` : `${path}@${digest}`,
    digest,
    tag,
  };
}

/** The same repository, named by what is in it. */
export function withDigest(name: ImageName, digest: string): string {
  return `${name.full.slice(0, name.full.length - (name.digest ?? name.tag).length - 1)}@${digest}`;
}

/** The repository of one of the engine's RepoTags or RepoDigests, in full. */
export function repositoryOf(reference: string): string {
  return parseImageName(reference)?.repository ?? reference;
}

function canonical(path: string): string {
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  if (first.includes('.') || first.includes(':') || first === 'localhost') {
    return path.replace(/^(index|registry-1)\.docker\.io\//, 'docker.io/');
  }
  return slash < 0 ? `docker.io/library/${path}` : `docker.io/${path}`;
}
