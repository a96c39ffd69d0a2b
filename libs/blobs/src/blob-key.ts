// Room: blobs. What a key may look like, on every kind of storage.

const PART = /^[A-Za-z0-9._=+@~ -]{1,255}$/;
export const MAX_KEY_BYTES = 1_024;

/** Throws a plain Error for a bad key: callers make keys, users do not, so it is a bug and never an answer. */
export function checkKey(key: string): void {
  const bad =
    key.length > MAX_KEY_BYTES || key.split('/').some((part) => !PART.test(part) || part === '.' || part === '..');
  if (bad)
    throw new Error(
      `not a blob key: ${JSON.stringify(key.slice(0, 200))}; expected relative, /-separated parts of [A-Za-z0-9._=+@~ -]`,
    );
}

/** A prefix ends with `/`; the empty one means everything. */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return;
  if (!prefix.endsWith('/'))
    throw new Error(`not a blob prefix: ${JSON.stringify(prefix.slice(0, 200))}; expected it to end with /`);
  checkKey(prefix.slice(0, -1));
}
