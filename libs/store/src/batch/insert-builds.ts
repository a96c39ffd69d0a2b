// Builds of a batch, written in one go: rows, phases, events and the wake-up of workers in the caller's transaction, so that they are in the
// queue the moment it commits. Called by start-tasks.ts and create-batch.ts. Numbers are taken from the project's row, as for any build.
import { requiresOf } from '#core/fleet.js';
import type { BatchId, BuildId } from '#core/ids.js';
import { PHASE_TYPES } from '#core/phase.js';
import type { BuildOverrides } from '#core/build.js';
import type { ProjectSettings } from '#core/project.js';
import { PHASE_STATUS_OF, transition } from '#core/transitions.js';
import type { Queryable } from '../database.js';
import { WAKE_CHANNEL } from '../listen.js';
import { dayText } from '../log-partitions.js';
import { storedJson } from '../stored-json.js';

export interface BatchBuild {
  id: BuildId;
  identifier: string;
  settings: ProjectSettings;
  overrides: BuildOverrides;
}

/** Whose builds they are. */
export interface BuildsOf {
  batchId: BatchId;
  projectId: string;
  projectName: string;
  initiator: string;
  /** As it was asked for; what is fetched stands in the settings. */
  sourceVersion: string | null;
}

const MINUTE_MS = 60_000;
const SUBMITTED = PHASE_TYPES.indexOf('SUBMITTED');
const QUEUED = PHASE_TYPES.indexOf('QUEUED');

// $1: the builds, $2-$6: whose they are, $7: when, $8: the log's day, $9-$10: status and phase, $11: status of SUBMITTED
const INSERT = `
WITH new AS (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(
    id uuid, number int, identifier text, settings jsonb, overrides jsonb, priority int, requires text, queue_deadline timestamptz)
), rows AS (
  INSERT INTO build (id, project_id, project_name, number, status, current_phase, version, priority, initiator, source_version,
    settings, overrides, queued_at, queue_deadline, log_day, requires, batch_id, batch_identifier, cache_scope)
  SELECT id, $2::uuid, $3, number, $9, $10, 1, priority, $4, $5, settings, overrides, $7::timestamptz, queue_deadline, $8::date, requires,
    $6::uuid, identifier, (SELECT cache_scope FROM build_batch WHERE id = $6::uuid) FROM new
), phases AS (
  INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, status, started_at, ended_at)
  SELECT id, 0, ${SUBMITTED}, 'SUBMITTED', $11, $7::timestamptz, $7::timestamptz FROM new
  UNION ALL SELECT id, 0, ${QUEUED}, 'QUEUED', NULL, $7::timestamptz, NULL FROM new
), told AS (
  INSERT INTO build_event (build_id, attempt, type, data, at)
  SELECT id, 0, 'QUEUE', jsonb_build_object('from', 'SUBMITTED', 'to', $10::text, 'status', $9::text, 'initiator', $4::text, 'batch', $6::uuid),
    $7::timestamptz FROM new
)
SELECT pg_notify('${WAKE_CHANNEL}', requires) FROM (SELECT DISTINCT requires FROM new) AS asked`;

/** Out: when they were queued; null when the project is gone, and nothing written. The project's row stays locked until the commit. */
export async function insertBuilds(tx: Queryable, of: BuildsOf, builds: readonly BatchBuild[]): Promise<Date | null> {
  const { rows } = await tx.query<{ last: number; at: Date }>(
    `UPDATE project SET last_build_number = last_build_number + $2 WHERE id = $1
     RETURNING last_build_number AS last, clock_timestamp()::timestamptz(3) AS at`,
    [of.projectId, builds.length],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const { last, at } = row;
  const { status, phase } = transition({ status: 'IN_PROGRESS', phase: 'SUBMITTED', failing: false }, 'QUEUE');
  const records = builds.map(({ id, identifier, settings, overrides }, index) => ({
    id,
    number: last - builds.length + 1 + index,
    identifier,
    settings,
    overrides,
    priority: settings.priority,
    requires: requiresOf(settings.environment),
    queue_deadline: new Date(at.getTime() + settings.queuedTimeoutInMinutes * MINUTE_MS),
  }));
  await tx.query(INSERT, [
    storedJson(records),
    of.projectId,
    of.projectName,
    of.initiator,
    of.sourceVersion,
    of.batchId,
    at.toISOString(),
    dayText(at),
    status,
    phase,
    PHASE_STATUS_OF.QUEUE,
  ]);
  return at;
}
