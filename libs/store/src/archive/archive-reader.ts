// Reads archived logs by range: the index once, then the blocks that are asked for. Called by LogReader, and by the writer to verify.
import { buffer } from 'node:stream/consumers';
import { Fault, Refusal } from '#core/errors.js';
import type { LogChunk } from '#core/log-line.js';
import { openChunk, type StoredChunk } from '../stored-chunk.js';
import type { ArchiveBlobs, ArchivedLog } from './archive-blobs.js';
import { ArchiveIndex, framesOf, type Block } from './archive-format.js';
import { BoundedCache } from './bounded-cache.js';

/** Blocks of all logs together that stay in memory: a reader of pages mostly asks for the block that it had last. */
const BLOCK_CACHE_BYTES = 12 * 1024 * 1024;
/** The same for indexes: of a log of 1 GiB some 100 KiB. */
const INDEX_CACHE_BYTES = 4 * 1024 * 1024;
/** What a chunk in memory costs beyond its bytes. */
const CHUNK_OVERHEAD = 256;

/** Errors of all: Refusal NOT_FOUND when there is no such object; Fault BLOB_CORRUPT; what else the blob store says. */
export class ArchiveReader {
  private readonly indexes = new BoundedCache<ArchiveIndex>(INDEX_CACHE_BYTES, (index) => index.sizeBytes);
  private readonly blocks = new BoundedCache<readonly StoredChunk[]>(BLOCK_CACHE_BYTES, (chunks) =>
    chunks.reduce((sum, { header, body }) => sum + header.length + body.length + CHUNK_OVERHEAD, 0),
  );

  constructor(private readonly blobs: Pick<ArchiveBlobs, 'get'>) {}

  /** Chunks from the one that holds line `fromSeq` on, in order, at most `limit`; none behind the log's end. */
  async chunksFromSeq(log: ArchivedLog, fromSeq: number, limit: number): Promise<LogChunk[]> {
    const index = await this.index(log);
    if (fromSeq >= index.lineCount) return [];
    const chunks = (await this.blocksOf(log, index.blocksFrom(fromSeq, limit))).flat();
    const first = chunks.findIndex((chunk) => chunk.firstSeq + chunk.lineCount > fromSeq);
    return Promise.all(chunks.slice(first, first + limit).map(openChunk));
  }

  /** Bytes [start, end], both inclusive, of the raw log as far as it goes, by one request; one block in memory at a time. */
  async *rawBytes(log: ArchivedLog, start: number, end: number): AsyncGenerator<Buffer> {
    const index = await this.index(log);
    const last = Math.min(end, index.byteCount - 1);
    if (start > last) return;
    for await (const chunk of this.chunksOf(log, index, index.withByte(start), index.withByte(last))) {
      if (chunk.firstByte > last) return;
      const bytes = chunk.bytes.subarray(Math.max(0, start - chunk.firstByte), last + 1 - chunk.firstByte);
      if (bytes.length > 0) yield bytes;
    }
  }

  /** All chunks, in order, as the object has them now: nothing of it comes from memory. */
  async *everyChunk(log: ArchivedLog): AsyncGenerator<LogChunk> {
    const index = await this.fetchIndex(log);
    yield* this.chunksOf(log, index, 0, index.blockCount - 1);
  }

  private async *chunksOf(log: ArchivedLog, index: ArchiveIndex, from: number, to: number): AsyncGenerator<LogChunk> {
    const blocks = Array.from({ length: to - from + 1 }, (_, n) => index.block(from + n));
    const range = { start: blocks[0]!.at, end: blocks.at(-1)!.end - 1 };
    const stream = await this.open(log, range);
    let n = 0;
    for await (const bytes of cut(stream as AsyncIterable<Buffer>, blocks, log)) {
      const block = blocks[n++]!;
      for (const chunk of parsed(log, () => framesOf(bytes, block))) yield await openChunk(chunk);
    }
  }

  private index(log: ArchivedLog): Promise<ArchiveIndex> {
    return this.indexes.get(log.location, () => this.fetchIndex(log));
  }

  private async fetchIndex(log: ArchivedLog): Promise<ArchiveIndex> {
    const { sizeBytes, indexBytes } = log;
    const bytes = await this.fetch(log, sizeBytes - indexBytes, sizeBytes);
    return parsed(log, () => new ArchiveIndex(bytes, sizeBytes));
  }

  /** In: blocks that follow each other. Those that are not in memory come by one request. */
  private blocksOf(log: ArchivedLog, blocks: readonly Block[]): Promise<(readonly StoredChunk[])[]> {
    const keyOf = ({ at }: Block): string => `${log.location}:${at}`;
    const missing = blocks.filter((block) => !this.blocks.has(keyOf(block)));
    const from = missing[0]?.at ?? 0;
    const run = missing.length === 0 ? null : this.fetch(log, from, missing.at(-1)!.end);
    return Promise.all(
      blocks.map((block) =>
        this.blocks.get(keyOf(block), async () => {
          const bytes = await run!; // there is one, since this block was missing
          // a copy, so that what is kept of a run is no more than what is counted
          const own = Buffer.from(bytes.subarray(block.at - from, block.end - from));
          return parsed(log, () => framesOf(own, block));
        }),
      ),
    );
  }

  private async fetch(log: ArchivedLog, at: number, end: number): Promise<Buffer> {
    const bytes = await buffer(await this.open(log, { start: at, end: end - 1 }));
    if (bytes.length === end - at) return bytes;
    throw unreadable(log, new Error(`expected ${end - at} bytes from ${at} on, got ${bytes.length}`));
  }

  private async open(log: ArchivedLog, range: { start: number; end: number }): Promise<NodeJS.ReadableStream> {
    try {
      return await this.blobs.get(log.location, range);
    } catch (thrown) {
      if (thrown instanceof Refusal && thrown.code === 'RANGE_NOT_SATISFIABLE') throw unreadable(log, thrown);
      throw thrown;
    }
  }
}

/** A stream of blocks that follow each other, block by block. Errors: Fault BLOB_CORRUPT when it ends early; the stream's own. */
async function* cut(stream: AsyncIterable<Buffer>, blocks: readonly Block[], log: ArchivedLog): AsyncGenerator<Buffer> {
  let n = 0;
  let pieces: Buffer[] = [];
  let held = 0;
  for await (const piece of stream) {
    pieces.push(piece);
    held += piece.length;
    for (let block = blocks[n]; block !== undefined && held >= block.end - block.at; block = blocks[n]) {
      const bytes = Buffer.concat(pieces);
      const length = block.end - block.at;
      n += 1;
      pieces = [bytes.subarray(length)];
      held -= length;
      yield bytes.subarray(0, length);
    }
  }
  if (n < blocks.length) throw unreadable(log, new Error(`it ends in block ${n} of ${blocks.length}`));
}

/** What does not make sense in an archived log is a Fault of ours. */
function parsed<T>(log: ArchivedLog, parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    throw unreadable(log, thrown);
  }
}

function unreadable({ location }: ArchivedLog, cause: unknown): Fault {
  return new Fault('BLOB_CORRUPT', `the archived log ${location} cannot be read`, { cause, details: { location } });
}
