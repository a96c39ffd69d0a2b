// How the bytes of a log chunk are packed for their column. Called by log-append.ts and log-chunks.ts; docs/decisions/0021 tells why snappy.
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { compressSync, uncompress, uncompressSync } from 'snappy';

const inflate = promisify(inflateRaw);

/** Values of log_chunk.body_codec. They are stored: a number keeps its meaning for ever. */
export const BODY_CODECS = { RAW: 0, DEFLATE: 1, SNAPPY: 2 } as const;

export interface PackedBody {
  codec: number;
  body: Buffer;
}

/** A shorter body stays as it is: most chunks of a quiet log, whose lines are to be seen soon. */
export const MIN_PACKED_BYTES = 512;
/** Up to here the way to another thread costs more than the work. */
const MAX_SYNC_BYTES = 16_384;

/**
 * The package's own memory is freed at once, not when the garbage collector comes by: without this, and with its calls on other threads,
 * a flood made a worker grow by 300 MiB.
 */
const COPIED = { copyOutputData: true };

/** Packs a chunk's bytes, some 2 ms a MiB; what packing does not make smaller stays as it is. The body shares no memory with `bytes`. */
export async function packBody(bytes: Buffer): Promise<PackedBody> {
  if (bytes.length < MIN_PACKED_BYTES) return { codec: BODY_CODECS.RAW, body: Buffer.from(bytes) };
  const packed = compressSync(bytes, COPIED);
  return packed.length < bytes.length
    ? { codec: BODY_CODECS.SNAPPY, body: packed }
    : { codec: BODY_CODECS.RAW, body: Buffer.from(bytes) };
}

/** In: `byteCount` = how many bytes must come out. Errors: Error when they do not, or when the codec is unknown. */
export async function unpackBody({ codec, body }: PackedBody, byteCount: number): Promise<Buffer> {
  const bytes = await unpack({ codec, body }, byteCount);
  if (bytes.length !== byteCount) throw new Error(`expected ${byteCount} bytes, got ${bytes.length}`);
  return bytes;
}

async function unpack({ codec, body }: PackedBody, byteCount: number): Promise<Buffer> {
  switch (codec) {
    case BODY_CODECS.RAW:
      return body;
    case BODY_CODECS.DEFLATE:
      return inflate(body, { maxOutputLength: Math.max(1, byteCount) });
    case BODY_CODECS.SNAPPY:
      return byteCount <= MAX_SYNC_BYTES
        ? (uncompressSync(body, { asBuffer: true }) as Buffer)
        : ((await uncompress(body, { asBuffer: true })) as Buffer);
    default:
      throw new Error(`expected a codec from 0 to ${BODY_CODECS.SNAPPY}, got ${codec}: a newer version has written it`);
  }
}
