// Batches as they are read: rows to core's nouns. Called by BatchesStore.
import type { BatchPhase, BuildBatch, BuildBatchInFull, BuildGroup, BuildSummary, TaskStatus } from '#core/batch.js';
import type { Artifact } from '#core/build.js';
import type { BatchId, BuildId } from '#core/ids.js';
import type { BuildStatus } from '#core/phase.js';
import { toArtifact } from '../build-row.js';
import type { Database } from '../database.js';
import { cursorId, cursorTime, readCursor, toPage, type Page } from '../page.js';
import { batchNotFound } from './end-batch.js';
import type { StoredPhase } from './locked-batch.js';

const COLUMNS = `b.id, b.project_id AS "projectId", b.project_name AS "projectName", b.number, b.status, b.current_phase AS "currentPhase",
  b.phases, b.initiator, b.source_version AS "sourceVersion", b.resolved_source_version AS "resolvedSourceVersion", b.settings, b.config,
  b.ending, b.submitted_at AS "submittedAt", b.deadline, b.ended_at AS "endedAt",
  (SELECT coalesce(jsonb_object_agg(status, count), '{}') FROM (
     SELECT status, count(*) FROM build_batch_task WHERE batch_id = b.id AND ordinal > 0 GROUP BY status) AS counted) AS counts`;

type BatchRow = Omit<BuildBatch, 'phases'> & { phases: StoredPhase[] } & Record<string, unknown>;
type StoredSummary = Omit<BuildSummary, 'requestedOn'> & { requestedOn: string };
interface TaskRow extends Record<string, unknown> {
  identifier: string;
  dependsOn: string[];
  ignoreFailure: boolean;
  status: TaskStatus;
  buildId: BuildSummary['buildId'] | null;
  requestedOn: Date | null;
  prior: StoredSummary[];
}

/** Errors: Refusal BATCH_NOT_FOUND. */
export async function getBatch(db: Database, id: BatchId): Promise<BuildBatchInFull> {
  const { rows } = await db.query<BatchRow>(`SELECT ${COLUMNS} FROM build_batch b WHERE b.id = $1`, [id]);
  const row = rows[0];
  if (row === undefined) throw batchNotFound(id);
  const tasks = await db.query<TaskRow>(
    `SELECT identifier, depends_on AS "dependsOn", ignore_failure AS "ignoreFailure", status, build_id AS "buildId",
       requested_on AS "requestedOn", prior
     FROM build_batch_task WHERE batch_id = $1 ORDER BY ordinal`,
    [id],
  );
  return { ...toBatch(row), groups: tasks.rows.map(toGroup) };
}

export interface BatchListRequest {
  projectName?: string;
  statuses?: BuildStatus[];
  cursor?: string;
  limit: number;
}

/** What the present build of one task left behind. */
export interface TaskArtifact {
  task: string;
  buildId: BuildId;
  artifact: Artifact;
}

/** In the order of the tasks, of each the primary one first. Errors: Refusal BATCH_NOT_FOUND. */
export async function batchArtifacts(db: Database, id: BatchId): Promise<TaskArtifact[]> {
  const { groups } = await getBatch(db, id);
  const builds = groups.flatMap(({ identifier, current }) => (current === null ? [] : [{ identifier, ...current }]));
  const rows = await db.models((prisma) =>
    prisma.buildArtifact.findMany({
      where: { buildId: { in: builds.map(({ buildId }) => buildId) } },
      orderBy: [{ attempt: 'asc' }, { identifier: 'asc' }],
      include: { build: { select: { attempt: true } } },
    }),
  );
  const present = rows.filter(({ attempt, build }) => attempt === build.attempt);
  return builds.flatMap(({ identifier, buildId }) =>
    present
      .filter((row) => row.buildId === buildId)
      .map((row) => ({ task: identifier, buildId, artifact: toArtifact(row) })),
  );
}

/** Newest first by (submittedAt, id). Errors: Refusal INVALID_INPUT (cursor). */
export async function listBatches(db: Database, request: BatchListRequest): Promise<Page<BuildBatch>> {
  const after = readCursor(request.cursor, 2);
  const time = after === null ? null : cursorTime(after[0] ?? '', request.cursor ?? '').toISOString();
  const id = after === null ? null : cursorId(after[1] ?? '', request.cursor ?? '');
  const { rows } = await db.query<BatchRow>(
    `SELECT ${COLUMNS} FROM build_batch b
     WHERE ($1::text IS NULL OR b.project_name = $1) AND ($2::text[] IS NULL OR b.status = ANY ($2))
       AND ($3::timestamptz IS NULL OR b.submitted_at < $3 OR (b.submitted_at = $3 AND b.id > $4::uuid))
     ORDER BY b.submitted_at DESC, b.id LIMIT $5`,
    [request.projectName ?? null, request.statuses ?? null, time, id, request.limit + 1],
  );
  return toPage(rows, request.limit, toBatch, (row) => [row.submittedAt.toISOString(), row.id]);
}

function toBatch(row: BatchRow): BuildBatch {
  return { ...row, phases: row.phases.map(toPhase) };
}

function toPhase({ startTime, endTime, ...phase }: StoredPhase): BatchPhase {
  const read: BatchPhase = { ...phase, startTime: new Date(startTime) };
  if (endTime !== undefined) read.endTime = new Date(endTime);
  return read;
}

function toGroup({ buildId, requestedOn, status, prior, ...group }: TaskRow): BuildGroup {
  const began = buildId !== null && requestedOn !== null && status !== 'PENDING' && status !== 'SKIPPED';
  return {
    identifier: group.identifier,
    dependsOn: group.dependsOn,
    ignoreFailure: group.ignoreFailure,
    status,
    current: began ? { buildId, requestedOn, buildStatus: status } : null,
    prior: prior.map((one) => ({ ...one, requestedOn: new Date(one.requestedOn) })),
  };
}
