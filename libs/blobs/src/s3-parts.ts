// Room: blobs. Cuts a stream into the parts of an upload, and hashes it on the way.
import { createHash } from 'node:crypto';

const MiB = 2 ** 20;
/** S3's own limit. */
export const MAX_PARTS = 10_000;

export interface WholeHash {
  sizeBytes: number;
  sha256: string;
  md5: string;
}

/**
 * Bytes of the n-th part (1 = first), at least S3's 5 MiB: small ones as long as they do for what is common, then larger ones, so that
 * 10,000 parts hold 0.8 TiB while an upload of 16 GiB never has more than a few times 8 MiB in memory.
 */
export function partBytes(n: number): number {
  if (n <= 2_000) return 8 * MiB;
  return n <= 4_000 ? 32 * MiB : 128 * MiB;
}

/**
 * Yields parts in order, each full but the last; nothing for an empty stream. Pulls no further than the part that is asked for.
 * Out, when it ends: size and hashes of the whole. Errors: the stream's own.
 */
export async function* partsOf(
  data: AsyncIterable<Buffer | string>,
  sizeOf: (n: number) => number = partBytes,
): AsyncGenerator<Buffer, WholeHash> {
  const [sha256, md5] = [createHash('sha256'), createHash('md5')];
  let pieces: Buffer[] = [];
  let held = 0;
  let sizeBytes = 0;
  let n = 1;
  for await (const piece of data) {
    let rest = typeof piece === 'string' ? Buffer.from(piece) : piece;
    sha256.update(rest);
    md5.update(rest);
    sizeBytes += rest.length;
    while (held + rest.length >= sizeOf(n)) {
      const room = sizeOf(n) - held;
      yield Buffer.concat([...pieces, rest.subarray(0, room)]);
      rest = rest.subarray(room);
      pieces = [];
      held = 0;
      n += 1;
    }
    if (rest.length > 0) pieces.push(rest);
    held += rest.length;
  }
  if (held > 0) yield Buffer.concat(pieces);
  return { sizeBytes, sha256: sha256.digest('hex'), md5: md5.digest('hex') };
}
