// Batches: the one way to their rows. What moves a batch on when a build of it ends stands in settle-task.ts, which apply-event.ts calls.
import type { BatchRetryType, BuildBatch, BuildBatchInFull } from '#core/batch.js';
import { Refusal } from '#core/errors.js';
import type { BatchId, BuildId } from '#core/ids.js';
import type { Database } from '../database.js';
import { deleteBuild } from '../delete-builds.js';
import type { Page } from '../page.js';
import { createBatch, type NewBatch } from './create-batch.js';
import { batchNotFound, expireBatches, mendBatches, stopBatch } from './end-batch.js';
import { batchArtifacts, getBatch, listBatches, type BatchListRequest, type TaskArtifact } from './read-batch.js';
import { retryBatch } from './retry-batch.js';

export class BatchesStore {
  constructor(private readonly db: Database) {}

  /** Writes a new batch with the build that reads its buildspec, waiting. Out: its id. Errors: Refusal LIMIT_EXCEEDED, PROJECT_NOT_FOUND. */
  write(request: NewBatch): Promise<BatchId> {
    return createBatch(this.db, request);
  }

  /** Errors: Refusal BATCH_NOT_FOUND. */
  get(id: BatchId): Promise<BuildBatchInFull> {
    return getBatch(this.db, id);
  }

  /** A page, newest first. Errors: Refusal INVALID_INPUT (cursor). */
  list(request: BatchListRequest): Promise<Page<BuildBatch>> {
    return listBatches(this.db, request);
  }

  /** What the present builds of its tasks left behind. Errors: Refusal BATCH_NOT_FOUND. */
  artifacts(id: BatchId): Promise<TaskArtifact[]> {
    return batchArtifacts(this.db, id);
  }

  /** Begins nothing more and asks all builds to stop; one that has ended stays as it is. Out: the batch after it. Errors: Refusal BATCH_NOT_FOUND. */
  async stop(id: BatchId, by: string): Promise<BuildBatchInFull> {
    await stopBatch(this.db, id, by);
    return this.get(id);
  }

  /** See retry-batch.ts. Out: the batch after it. Errors: Refusal BATCH_NOT_FOUND, BATCH_IN_PROGRESS, ILLEGAL_TRANSITION, PROJECT_NOT_FOUND. */
  async retry(id: BatchId, type: BatchRetryType, by: string): Promise<BuildBatchInFull> {
    await retryBatch(this.db, id, type, by);
    return this.get(id);
  }

  /**
   * Deletes a batch with all its builds, their logs and artifacts. Out: what of them is doomed in the blob store, as BuildsStore.delete; a
   * call that was cut short is made up for by the next. Errors: Refusal BATCH_NOT_FOUND, BATCH_IN_PROGRESS.
   */
  async delete(id: BatchId): Promise<{ builds: BuildId[]; doomed: string[] }> {
    const { rows } = await this.db.query<{ status: string }>('SELECT status FROM build_batch WHERE id = $1', [id]);
    if (rows[0] === undefined) throw batchNotFound(id);
    if (rows[0].status === 'IN_PROGRESS')
      throw new Refusal('BATCH_IN_PROGRESS', `batch ${id} is in progress; stop it first`, { details: { id } });
    const builds = await this.db.query<{ id: BuildId }>('SELECT id FROM build WHERE batch_id = $1 ORDER BY number', [
      id,
    ]);
    const doomed: string[] = [];
    for (const build of builds.rows) doomed.push(...(await deleteBuild(this.db, build.id)));
    await this.db.query(`DELETE FROM build_batch WHERE id = $1 AND status <> 'IN_PROGRESS'`, [id]);
    return { builds: builds.rows.map((build) => build.id), doomed };
  }

  /** Ends batches past their deadline: TIMED_OUT once their builds have stopped. Out: their ids. */
  expire(now: Date): Promise<BatchId[]> {
    return expireBatches(this.db, now);
  }

  /** Goes on with what a process left half done (end-batch.ts). Idempotent, any process, any time. */
  mend(): Promise<{ stopped: BatchId[]; settled: BuildId[] }> {
    return mendBatches(this.db);
  }
}
