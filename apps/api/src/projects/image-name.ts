// Whether a text can be the name of an image at all (the reference grammar of the OCI distribution specification, shortened).

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** In: a name such as `node:22`, `registry.example:5000/team/image@sha256:…`. Out: null, or what was expected. */
export function imageMistake(image: string): string | null {
  const [name = '', digest, ...rest] = image.split('@');
  if (rest.length > 0) return 'an image name with at most one `@`';
  if (digest !== undefined && !DIGEST.test(digest)) return 'a digest `sha256:` and 64 hex digits behind `@`';
  const slash = name.lastIndexOf('/');
  const colon = name.indexOf(':', slash + 1);
  const tag = colon === -1 ? undefined : name.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) return 'a tag of up to 128 letters, digits, `.`, `_` and `-`';
  const parts = (colon === -1 ? name : name.slice(0, colon)).split('/');
  const [first = ''] = parts;
  const hasHost = parts.length > 1 && (/[.:[]/.test(first) || first === 'localhost');
  if (hasHost && !HOST.test(first)) return 'a registry host before the first `/`';
  const path = hasHost ? parts.slice(1) : parts;
  return path.length > 0 && path.every((part) => COMPONENT.test(part))
    ? null
    : 'an image name such as `node:22` or `registry.example.org/team/image:tag`, in lower case';
}
