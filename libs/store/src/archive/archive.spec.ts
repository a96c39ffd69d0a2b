// Archived logs, from chunks to an object and back by any range, in a blob store in memory.
import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { setImmediate as tick } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { encodeChunkHeader } from '#core/chunk-codec.js';
import { Refusal } from '#core/errors.js';
import type { LogChunk } from '#core/log-line.js';
import { newLogChunk, newLogSeal } from '#testing/factories.js';
import { packBody } from '../chunk-body.js';
import type { StoredChunk } from '../stored-chunk.js';
import type { ArchiveBlobs, ArchivedLog } from './archive-blobs.js';
import { ArchiveReader } from './archive-reader.js';
import { verifyArchive, writeArchive } from './archive-writer.js';

const KEY = 'logs/00000000-0000-4000-8000-000000000001/1-abc';
const SIGNAL = new AbortController().signal;

/** Objects in memory; says what was asked for. */
class MemoryBlobs implements ArchiveBlobs {
  readonly objects = new Map<string, Buffer>();
  readonly asked: { start: number; end: number }[] = [];
  open = 0;

  async put(key: string, data: NodeJS.ReadableStream): Promise<{ sizeBytes: number }> {
    const bytes = await buffer(data);
    this.objects.set(key, bytes);
    return { sizeBytes: bytes.length };
  }

  async get(key: string, range?: { start: number; end: number }): Promise<NodeJS.ReadableStream> {
    const object = this.objects.get(key);
    if (object === undefined) throw new Refusal('NOT_FOUND', `there is no stored object ${key}`);
    const { start, end } = range ?? { start: 0, end: object.length - 1 };
    this.asked.push({ start, end });
    if (start >= object.length) throw new Refusal('RANGE_NOT_SATISFIABLE', 'behind its end');
    const bytes = object.subarray(start, end + 1);
    this.open += 1;
    // pieces of no particular size
    return Readable.from(
      (function* () {
        for (let at = 0; at < bytes.length; at += 40_001) yield bytes.subarray(at, at + 40_001);
      })(),
      { objectMode: false },
    ).once('close', () => (this.open -= 1));
  }
}

/** A chain of chunks; each says how many lines it has and how long those are. */
function chain(sizes: readonly (readonly [lines: number, length: number])[]): LogChunk[] {
  let [firstSeq, firstByte] = [0, 0];
  return sizes.map(([lines, length], n) => {
    const texts = Array.from({ length: lines }, (_, line) => noise(n * 1_000_003 + line, length));
    const chunk = newLogChunk(
      texts.map((text, line) => (n % 3 === 1 && line === lines - 1 ? { text, open: true } : text)),
      { firstSeq, firstByte },
    );
    firstSeq += chunk.lineCount;
    firstByte += chunk.bytes.length;
    return chunk;
  });
}

/** Text that packs badly, the same each time. */
function noise(seed: number, length: number): string {
  let state = seed + 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36);
  }
  return text.slice(0, length);
}

async function stored(chunk: LogChunk): Promise<StoredChunk> {
  const { codec, body } = await packBody(chunk.bytes);
  const { firstSeq, lineCount, firstByte, bytes } = chunk;
  return { firstSeq, lineCount, firstByte, byteCount: bytes.length, header: encodeChunkHeader(chunk), codec, body };
}

async function* storedOf(chunks: readonly LogChunk[]): AsyncGenerator<StoredChunk> {
  for (const chunk of chunks) yield stored(chunk);
}

async function archived(
  chunks: readonly LogChunk[],
): Promise<{ blobs: MemoryBlobs; log: ArchivedLog; reader: ArchiveReader }> {
  const blobs = new MemoryBlobs();
  const seal = newLogSeal([...chunks]);
  const log = await writeArchive(blobs, KEY, { seal, chunks: storedOf(chunks) }, SIGNAL);
  await verifyArchive(blobs, log, seal, SIGNAL);
  blobs.asked.length = 0;
  return { blobs, log, reader: new ArchiveReader(blobs) };
}

/** All that a chunk is, in one short text. */
function marked(chunks: readonly LogChunk[]): string[] {
  return chunks.map((chunk) => {
    const bytes = createHash('sha256').update(encodeChunkHeader(chunk)).update(chunk.bytes).digest('hex');
    return `${chunk.firstSeq} ${chunk.lineCount} ${chunk.firstByte} ${bytes}`;
  });
}
const text = (chunks: readonly LogChunk[]): Buffer => Buffer.concat(chunks.map(({ bytes }) => bytes));
async function bytesOf(reader: ArchiveReader, log: ArchivedLog, start: number, end: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of reader.rawBytes(log, start, end)) parts.push(part);
  return Buffer.concat(parts);
}

const SHAPES = [
  { name: 'one line', sizes: [[1, 5]] },
  { name: 'empty lines', sizes: [[3, 0], [1, 0], [2, 7]] }, // prettier-ignore
  {
    name: 'many small chunks in few blocks',
    sizes: Array.from({ length: 3_000 }, (_, n) => [1 + (n % 4), 60] as const),
  },
  { name: 'chunks larger than a block', sizes: Array.from({ length: 4 }, () => [4_000, 120] as const) },
  { name: 'both', sizes: [[2, 3], [9_000, 50], [1, 1], [1, 400_000], ...Array.from({ length: 50 }, () => [1, 20] as const)] }, // prettier-ignore
] as const;

describe.each(SHAPES)('a log of $name', ({ sizes }) => {
  const chunks = chain(sizes);
  const lines = chunks.reduce((sum, { lineCount }) => sum + lineCount, 0);
  const raw = text(chunks);
  const marks = marked(chunks);

  it('is read by lines as it was written, from any line on and as many chunks as asked for', async () => {
    const { log, reader } = await archived(chunks);
    const from = [0, 1, lines - 1, Math.floor(lines / 2), Math.floor(lines / 3), lines, lines + 7];
    for (const seq of [...new Set(from)].filter((one) => one >= 0)) {
      const first = chunks.findIndex((chunk) => chunk.firstSeq + chunk.lineCount > seq);
      const all = first === -1 ? [] : marks.slice(first);
      for (const limit of [1, 2, 16, 5_000])
        expect(marked(await reader.chunksFromSeq(log, seq, limit))).toEqual(all.slice(0, limit));
    }
  });

  it('is read by bytes as it was written, any range of them', async () => {
    const { blobs, log, reader } = await archived(chunks);
    const middle = Math.floor(raw.length / 2);
    const ranges = [[0, 0], [0, raw.length - 1], [middle, middle + 10], [raw.length - 1, raw.length - 1], [middle, raw.length + 99], [raw.length, raw.length + 5]]; // prettier-ignore
    for (const [start, end] of ranges as [number, number][])
      expect((await bytesOf(reader, log, start, end)).equals(raw.subarray(start, end + 1))).toBe(true);
    expect(blobs.open).toBe(0);
  });
});

describe('a reader', () => {
  const chunks = chain(Array.from({ length: 64 }, () => [1_000, 99] as const));

  it('fetches the index once and of the rest what it needs, and again nothing of what it has just had', async () => {
    const { blobs, log, reader } = await archived(chunks);
    const size = blobs.objects.get(KEY)!.length;
    await reader.chunksFromSeq(log, 40_000, 2);
    expect(blobs.asked[0]).toEqual({ start: size - log.indexBytes, end: size - 1 });
    const fetched = blobs.asked.reduce((sum, { start, end }) => sum + end + 1 - start, 0);
    expect(fetched).toBeLessThan(size / 4);
    await reader.chunksFromSeq(log, 40_500, 1);
    expect(blobs.asked).toHaveLength(2);
    // the first of these is known, the others come by one request
    await reader.chunksFromSeq(log, 40_999, 16);
    expect(blobs.asked).toHaveLength(3);
  });

  it('asks once for a long range of bytes, and lets go of the rest when it has enough', async () => {
    const { blobs, log, reader } = await archived(chunks);
    for await (const part of reader.rawBytes(log, 150_000, 6_000_000)) {
      expect(part.equals(text(chunks).subarray(150_000, 150_000 + part.length))).toBe(true);
      break;
    }
    expect(blobs.asked).toHaveLength(2);
    await tick(); // its stream tells of its end in a turn of its own
    expect(blobs.open).toBe(0);
  });

  it('says that an object is missing, and no more when it is there again', async () => {
    const { blobs, log, reader } = await archived(chunks);
    const object = blobs.objects.get(KEY)!;
    blobs.objects.delete(KEY);
    await expect(reader.chunksFromSeq(log, 0, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(bytesOf(reader, log, 0, 9)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    blobs.objects.set(KEY, object);
    expect(marked(await reader.chunksFromSeq(log, 0, 1))).toEqual(marked(chunks.slice(0, 1)));
  });

  it('gives no wrong text: a byte that differs anywhere, or is missing, is found', async () => {
    const small = chain([[2, 30], [1, 900], [3, 10]]); // prettier-ignore
    const { blobs, log } = await archived(small);
    const object = blobs.objects.get(KEY)!;
    const seal = newLogSeal(small);
    for (let at = 0; at < object.length; at += 1) {
      const bytes = Buffer.from(object);
      bytes[at]! ^= 0x20;
      blobs.objects.set(KEY, bytes);
      await expect(verifyArchive(blobs, log, seal, SIGNAL)).rejects.toMatchObject({ code: 'BLOB_CORRUPT' });
      await expect(bytesOf(new ArchiveReader(blobs), log, 0, 9_999)).rejects.toMatchObject({ code: 'BLOB_CORRUPT' });
    }
    for (const length of [0, 1, log.indexBytes, object.length - 1]) {
      blobs.objects.set(KEY, object.subarray(0, length));
      await expect(verifyArchive(blobs, log, seal, SIGNAL)).rejects.toMatchObject({ code: 'BLOB_CORRUPT' });
    }
  });
});

describe('a writer', () => {
  const chunks = chain([[2, 30], [1, 900], [3, 10]]); // prettier-ignore
  const good = newLogSeal(chunks);

  it.each([
    ['lines', { ...good, lineCount: 7 }, chunks],
    ['bytes', { ...good, byteCount: 1 }, chunks],
    ['text', { ...good, sha256: 'ab'.repeat(32) }, chunks],
    ['a chunk too few', good, chunks.slice(0, 2)],
    ['a gap', good, [chunks[0]!, chunks[2]!]],
    ['a chunk twice', good, [chunks[0]!, chunks[0]!, ...chunks.slice(1)]],
    ['a header of other lines', good, [{ ...chunks[0]!, runs: [] }, ...chunks.slice(1)]],
  ])('stores nothing that differs from the seal: %s', async (_, seal, given) => {
    const blobs = new MemoryBlobs();
    const writing = writeArchive(blobs, KEY, { seal, chunks: storedOf(given) }, SIGNAL);
    await expect(writing).rejects.toMatchObject({ code: 'BLOB_CORRUPT' });
    expect(blobs.objects.size).toBe(0);
  });
});
