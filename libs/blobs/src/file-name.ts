// File names of a build as parts of blob keys, and back: keys hold few characters, file names nearly all.

/**
 * A relative path as a key: every byte that keys do not hold, and `=` itself, becomes `=XX`.
 * In: `/`-separated, no empty, `.` or `..` part. Errors: RangeError when a part is longer than a key's part may be.
 */
export function keyOfPath(path: string): string {
  return path.split('/').map(keyOfName).join('/');
}

/** The path that `keyOfPath` made the key from. */
export function pathOfKey(key: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < key.length; at += 1) {
    if (key[at] === '=') {
      bytes.push(Number.parseInt(key.slice(at + 1, at + 3), 16));
      at += 2;
    } else bytes.push(key.charCodeAt(at));
  }
  return Buffer.from(bytes).toString('utf8');
}

function keyOfName(name: string): string {
  let part = '';
  for (const byte of Buffer.from(name, 'utf8')) {
    const character = String.fromCharCode(byte);
    part += /[A-Za-z0-9._+@~ -]/.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  if (part.length > 255)
    throw new RangeError(
      `the file name ${JSON.stringify(name.slice(0, 80))} is too long to be stored: ${part.length} of at most 255 characters`,
    );
  return part;
}
