// One way to read a stored log, whether it lies in rows of log_chunk or was archived; also when it is archived in the middle of a reading.
import { Fault, Refusal } from '#core/errors.js';
import type { LogChunk } from '#core/log-line.js';
import type { ArchiveBlobs, ArchivedLog } from './archive/archive-blobs.js';
import { ArchiveReader } from './archive/archive-reader.js';
import type { Database } from './database.js';
import { lookFrom, type LogPlace } from './log-chunks.js';
import { openChunk } from './stored-chunk.js';

/** Errors of all: Fault DATABASE_UNAVAILABLE, BLOB_CORRUPT, and STORAGE_UNAVAILABLE where the log was archived. */
export class LogReader {
  private readonly archive: ArchiveReader | null;

  /** In: null where no archived log will be asked for. */
  constructor(
    private readonly db: Database,
    blobs: Pick<ArchiveBlobs, 'get'> | null,
  ) {
    this.archive = blobs === null ? null : new ArchiveReader(blobs);
  }

  /** Chunks from the one that holds line `fromSeq` on, in order, at most `limit`; none when that line is not stored (yet, or any more). */
  async chunksFromSeq(place: LogPlace, fromSeq: number, limit: number): Promise<LogChunk[]> {
    const { archived, chunks } = await lookFrom(this.db, place, { seq: fromSeq }, limit);
    if (archived === null) return Promise.all(chunks.map(openChunk));
    try {
      return await this.inArchive(archived).chunksFromSeq(archived, fromSeq, limit);
    } catch (error) {
      await this.expectGone(place, archived, error);
      return [];
    }
  }

  /** Bytes [start, end], both inclusive, of the raw log as far as it is stored; one chunk in memory at a time. */
  async *rawBytes(place: LogPlace, start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at <= end;) {
      const { archived, chunks } = await lookFrom(this.db, place, { byte: at }, 1);
      if (archived !== null) return yield* this.archivedBytes(place, archived, at, end);
      const chunk = chunks[0] === undefined ? null : await openChunk(chunks[0]);
      if (chunk === null || chunk.firstByte > end) return;
      yield chunk.bytes.subarray(Math.max(0, at - chunk.firstByte), end + 1 - chunk.firstByte);
      at = chunk.firstByte + chunk.bytes.length;
    }
  }

  private async *archivedBytes(
    place: LogPlace,
    archived: ArchivedLog,
    start: number,
    end: number,
  ): AsyncGenerator<Buffer> {
    try {
      yield* this.inArchive(archived).rawBytes(archived, start, end);
    } catch (error) {
      await this.expectGone(place, archived, error);
    }
  }

  private inArchive({ location }: ArchivedLog): ArchiveReader {
    if (this.archive !== null) return this.archive;
    throw new Fault('INTERNAL', `this process was not told where archived logs lie, such as ${location}`);
  }

  /**
   * An object that is not there is fine when its log was deleted or has expired meanwhile, which whoever reads then finds out.
   * Errors: `error` when it is another one; Fault BLOB_CORRUPT when the log should be there.
   */
  private async expectGone(place: LogPlace, archived: ArchivedLog, error: unknown): Promise<void> {
    if (!(error instanceof Refusal && error.code === 'NOT_FOUND')) throw error;
    const now = await lookFrom(this.db, place, { seq: 0 }, 1);
    if (now.archived?.location !== archived.location) return;
    throw new Fault('BLOB_CORRUPT', `the archived log ${archived.location} is not in the blob store`, { cause: error });
  }
}
