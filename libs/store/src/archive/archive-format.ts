// How an archived log lies in its object. Pure: bytes in, bytes out; no storage, no database. docs/decisions/0024 tells why it is so.
//
//   frames of chunks, one after the other, in order      index: an entry for each block      footer
//
// A frame is a chunk as it lay in its row (header and body are not packed anew). A block is a run of frames of about BLOCK_BYTES: what a
// reader fetches at once. All numbers are big-endian. Frames and index carry a CRC-32 each: the seal covers the text alone.
import { crc32 } from 'node:zlib';
import type { StoredChunk } from '../stored-chunk.js';

/** A block ends with the frame that makes it this long. */
export const BLOCK_BYTES = 256 * 1024;

const MAGIC = Buffer.from('KILNLOG1');
/** first line 8, first byte 8, lines 4, bytes 4, length of the header 4, of the body 4, codec 4, CRC of all other bytes of the frame 4. */
const FRAME_HEAD = 40;
const FRAME_CRC = 36;
/** first line 8, first byte 8, offset of the block in the object 8, its chunks 4. */
const ENTRY = 28;
const ENTRY_CHUNKS = 24;
/** lines 8, bytes 8, offset of the index 8, CRC of all that comes before it from the index on 4, magic 8. */
const FOOTER = 36;
const FOOTER_CRC = 24;

/** A block of an archived log. */
export interface Block {
  firstSeq: number;
  firstByte: number;
  /** Where it lies in the object: its first byte, and the one behind its last. */
  at: number;
  end: number;
  /** How many lie in it. */
  chunks: number;
}

export function frameOf(chunk: StoredChunk): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeBigUInt64BE(BigInt(chunk.firstSeq), 0);
  head.writeBigUInt64BE(BigInt(chunk.firstByte), 8);
  head.writeUInt32BE(chunk.lineCount, 16);
  head.writeUInt32BE(chunk.byteCount, 20);
  head.writeUInt32BE(chunk.header.length, 24);
  head.writeUInt32BE(chunk.body.length, 28);
  head.writeUInt32BE(chunk.codec, 32);
  head.writeUInt32BE(crcOf(head.subarray(0, FRAME_CRC), chunk.header, chunk.body), FRAME_CRC);
  return Buffer.concat([head, chunk.header, chunk.body]);
}

/**
 * Reads a block's frames, which share its memory.
 * Errors: Error that says where it stopped making sense: a chunk that does not follow the one before, a length or a CRC that does not fit.
 */
export function framesOf(block: Buffer, { firstSeq, firstByte, chunks: count }: Block): StoredChunk[] {
  const chunks: StoredChunk[] = [];
  let [seq, byte] = [firstSeq, firstByte];
  for (let at = 0; at < block.length;) {
    if (at + FRAME_HEAD > block.length) throw cutShort(at, block);
    const chunk = {
      firstSeq: numberAt(block, at),
      firstByte: numberAt(block, at + 8),
      lineCount: block.readUInt32BE(at + 16),
      byteCount: block.readUInt32BE(at + 20),
      codec: block.readUInt32BE(at + 32),
    };
    if (chunk.firstSeq !== seq || chunk.firstByte !== byte)
      throw new Error(
        `log archive: expected line ${seq} at byte ${byte}, got line ${chunk.firstSeq} at byte ${chunk.firstByte}`,
      );
    const body = at + FRAME_HEAD + block.readUInt32BE(at + 24);
    const end = body + block.readUInt32BE(at + 28);
    if (end > block.length) throw cutShort(at, block);
    expectCrc(block, at + FRAME_CRC, block.subarray(at, at + FRAME_CRC), block.subarray(at + FRAME_HEAD, end));
    chunks.push({ ...chunk, header: block.subarray(at + FRAME_HEAD, body), body: block.subarray(body, end) });
    seq += chunk.lineCount;
    byte += chunk.byteCount;
    at = end;
  }
  if (chunks.length !== count)
    throw new Error(`log archive: expected ${count} chunks from line ${firstSeq} on, got ${chunks.length}`);
  return chunks;
}

function cutShort(at: number, block: Buffer): Error {
  return new Error(`log archive: expected a whole frame at byte ${at} of a block, got ${block.length - at} bytes`);
}

function crcOf(...parts: Buffer[]): number {
  return parts.reduce((crc, part) => crc32(part, crc), 0);
}

function expectCrc(bytes: Buffer, at: number, ...parts: Buffer[]): void {
  const [expected, got] = [bytes.readUInt32BE(at), crcOf(...parts)];
  if (expected !== got) throw new Error(`log archive: expected CRC ${expected}, got ${got}`);
}

function numberAt(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64BE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`log archive: number too large at byte ${at}`);
  return Number(value);
}

/** Index and footer of an archived log, as they come to be while its frames are written. */
export class IndexBuilder {
  private readonly entries: Buffer[] = [];
  /** Bytes of the frames so far, and of those in the block that is open. */
  private length = 0;
  private open = BLOCK_BYTES;
  lineCount = 0;
  byteCount = 0;

  /** In: the next chunk, and the length of its frame. */
  add(chunk: StoredChunk, frameBytes: number): void {
    if (this.open >= BLOCK_BYTES) {
      const entry = Buffer.alloc(ENTRY);
      [chunk.firstSeq, chunk.firstByte, this.length].forEach((value, place) =>
        entry.writeBigUInt64BE(BigInt(value), place * 8),
      );
      this.entries.push(entry);
      this.open = 0;
    }
    const entry = this.entries.at(-1)!;
    entry.writeUInt32BE(entry.readUInt32BE(ENTRY_CHUNKS) + 1, ENTRY_CHUNKS);
    this.open += frameBytes;
    this.length += frameBytes;
    this.lineCount += chunk.lineCount;
    this.byteCount += chunk.byteCount;
  }

  /** Index and footer: what follows the last frame. */
  end(): Buffer {
    const footer = Buffer.alloc(FOOTER);
    [this.lineCount, this.byteCount, this.length].forEach((value, place) =>
      footer.writeBigUInt64BE(BigInt(value), place * 8),
    );
    MAGIC.copy(footer, FOOTER - MAGIC.length);
    footer.writeUInt32BE(crcOf(...this.entries, footer.subarray(0, FOOTER_CRC)), FOOTER_CRC);
    return Buffer.concat([...this.entries, footer]);
  }
}

/** Which block holds what: the index of one archived log, searched as it lies. */
export class ArchiveIndex {
  readonly lineCount: number;
  readonly byteCount: number;
  readonly blockCount: number;
  /** Where the frames end. */
  private readonly indexAt: number;

  /** In: the object's last bytes, index and footer, and its size. Errors: Error when they are not what IndexBuilder wrote. */
  constructor(
    private readonly bytes: Buffer,
    objectBytes: number,
  ) {
    const footer = bytes.length - FOOTER;
    if (footer < ENTRY || footer % ENTRY !== 0 || !bytes.subarray(bytes.length - MAGIC.length).equals(MAGIC))
      throw new Error(`log archive: expected an index of entries and a footer, got ${bytes.length} other bytes`);
    expectCrc(bytes, footer + FOOTER_CRC, bytes.subarray(0, footer + FOOTER_CRC));
    this.blockCount = footer / ENTRY;
    this.lineCount = numberAt(bytes, footer);
    this.byteCount = numberAt(bytes, footer + 8);
    this.indexAt = numberAt(bytes, footer + 16);
    if (this.indexAt !== objectBytes - bytes.length)
      throw new Error(`log archive: expected its index at byte ${objectBytes - bytes.length}, got ${this.indexAt}`);
    let before = -1;
    for (let n = 0; n < this.blockCount; n += 1) {
      const { at, end } = this.block(n);
      if (at <= before || end <= at)
        throw new Error(`log archive: expected block ${n} behind byte ${before}, got ${at}`);
      before = at;
    }
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  block(n: number): Block {
    const entry = n * ENTRY;
    return {
      firstSeq: numberAt(this.bytes, entry),
      firstByte: numberAt(this.bytes, entry + 8),
      at: numberAt(this.bytes, entry + 16),
      end: n + 1 < this.blockCount ? numberAt(this.bytes, entry + ENTRY + 16) : this.indexAt,
      chunks: this.bytes.readUInt32BE(entry + ENTRY_CHUNKS),
    };
  }

  /** Blocks from the one that holds this line on in which there are `chunks` from that line on, or fewer at the log's end. */
  blocksFrom(seq: number, chunks: number): Block[] {
    const blocks: Block[] = [];
    // of the first one's chunks that line may be in the last
    for (let n = this.withLine(seq), found = 0; n < this.blockCount && found < chunks; n += 1) {
      const block = this.block(n);
      found += blocks.length === 0 ? 1 : block.chunks;
      blocks.push(block);
    }
    return blocks;
  }

  /** Number of the block that holds this line; the last one for any line behind it. */
  private withLine(seq: number): number {
    return this.lastAtOrBefore(0, seq);
  }

  /** Number of the block that holds this byte of the raw log; the last one for any byte behind it. */
  withByte(byte: number): number {
    return this.lastAtOrBefore(8, byte);
  }

  private lastAtOrBefore(place: number, value: number): number {
    let [low, high] = [0, this.blockCount - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (numberAt(this.bytes, middle * ENTRY + place) <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
