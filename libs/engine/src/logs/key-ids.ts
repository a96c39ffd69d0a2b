// AWS access key ids in a stream of bytes: AKIA or ASIA and 16 upper-case letters or digits. CodeBuild masks them in every log
// (codebuild-contract C3). Called by mask.ts alone; no secret needs to be known for it.

const PREFIXES = ['AKIA', 'ASIA'].map((prefix) => Buffer.from(prefix));
const PREFIX_LENGTH = 4;
/** Of the whole id, bytes. */
const KEY_ID_LENGTH = 20;

/**
 * Tells every access key id that lies wholly in `bytes`, by rising start per prefix.
 * Out: the index from which on bytes may yet turn out to be part of one: hand them in again together with what follows.
 */
export function findKeyIds(bytes: Buffer, onFound: (start: number, end: number) => void): number {
  let open = bytes.length - openPrefixLength(bytes);
  for (const prefix of PREFIXES) {
    for (let start = bytes.indexOf(prefix); start !== -1; start = bytes.indexOf(prefix, start + 1)) {
      const end = endOfKeyChars(bytes, start + PREFIX_LENGTH, start + KEY_ID_LENGTH);
      if (end === start + KEY_ID_LENGTH) onFound(start, end);
      else if (end === bytes.length) open = Math.min(open, start);
    }
  }
  return open;
}

/** How many bytes at the end begin a prefix without completing it. */
function openPrefixLength(bytes: Buffer): number {
  for (let length = Math.min(PREFIX_LENGTH - 1, bytes.length); length > 0; length -= 1) {
    const tail = bytes.subarray(bytes.length - length);
    if (PREFIXES.some((prefix) => tail.equals(prefix.subarray(0, length)))) return length;
  }
  return 0;
}

function endOfKeyChars(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && at < bytes.length && isKeyChar(bytes[at]!)) at += 1;
  return at;
}

function isKeyChar(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x30 && byte <= 0x39);
}
