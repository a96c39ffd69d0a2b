// A log chunk as it lies in the store, packed, be it a row of log_chunk or a frame of an archived log; and how it is opened.
import { decodeChunkHeader } from '#core/chunk-codec.js';
import { Fault } from '#core/errors.js';
import type { LogChunk } from '#core/log-line.js';
import { unpackBody } from './chunk-body.js';

export interface StoredChunk {
  firstSeq: number;
  lineCount: number;
  /** Offset of the first byte in the attempt's raw log. */
  firstByte: number;
  /** Of the raw text. */
  byteCount: number;
  /** As encodeChunkHeader of libs/core wrote it. */
  header: Buffer;
  /** One of BODY_CODECS. */
  codec: number;
  /** The raw text, packed. */
  body: Buffer;
}

/** Errors: Fault BLOB_CORRUPT. */
export async function openChunk(stored: StoredChunk): Promise<LogChunk> {
  const { firstSeq, lineCount, firstByte, byteCount, header, codec, body } = stored;
  try {
    const bytes = await unpackBody({ codec, body }, byteCount);
    return { firstSeq, lineCount, firstByte, bytes, ...decodeChunkHeader(header) };
  } catch (cause) {
    throw new Fault('BLOB_CORRUPT', `the stored log chunk from line ${firstSeq} cannot be read`, { cause });
  }
}
