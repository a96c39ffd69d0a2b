// One build with its phases, by its id, in one statement. By the driver, not by Prisma: every claim, every request for a build comes here,
// and a worker that runs ordinary builds then never needs Prisma's query compiler (with it an idle worker had 190 MB, without it 110 to 121).
import type { BuildId } from '#core/ids.js';
import type { BuildRow } from './build-row.js';
import type { Database } from './database.js';

/** Columns of `build` by their names in BuildRow. Counts of a log are numbers that JavaScript holds exactly: they come as text. */
const COLUMNS: Record<Exclude<keyof BuildRow, 'phases'>, string> = {
  id: 'id',
  projectId: 'project_id',
  projectName: 'project_name',
  number: 'number',
  status: 'status',
  currentPhase: 'current_phase',
  version: 'version',
  attempt: 'attempt',
  initiator: 'initiator',
  sourceVersion: 'source_version',
  resolvedSourceVersion: 'resolved_source_version',
  settings: 'settings',
  exportedVariables: 'exported_variables',
  imageDigest: 'image_digest',
  cache: 'cache',
  cacheScope: 'cache_scope',
  pause: 'pause',
  queuedAt: 'queued_at',
  startedAt: 'started_at',
  endedAt: 'ended_at',
  stopRequestedAt: 'stop_requested_at',
  workerId: 'worker_id',
  retryOf: 'retry_of',
  logLineCount: 'log_line_count',
  logByteCount: 'log_byte_count',
  logSha256: 'log_sha256',
  logCut: 'log_cut',
  failure: 'failure',
  handedOver: 'handed_over',
  requeuedAt: 'requeued_at',
  logExpiredAt: 'log_expired_at',
  logArchived: 'log_archived',
  reportIds: 'report_ids',
  batchId: 'batch_id',
  batchIdentifier: 'batch_identifier',
};

const FIND = `
SELECT ${Object.entries(COLUMNS)
  .map(([name, column]) => `b.${column} AS "${name}"`)
  .join(', ')},
  (SELECT coalesce(jsonb_agg(jsonb_build_object('attempt', p.attempt, 'phaseType', p.phase_type, 'status', p.status,
     'startedAt', p.started_at, 'endedAt', p.ended_at, 'contexts', p.contexts) ORDER BY p.attempt, p.ordinal), '[]')
   FROM build_phase p WHERE p.build_id = b.id) AS phases
FROM build b WHERE b.id = $1`;

type Found = Omit<BuildRow, 'phases'> & { phases: FoundPhase[] };
type FoundPhase = Omit<BuildRow['phases'][number], 'startedAt' | 'endedAt'> & {
  startedAt: string;
  endedAt: string | null;
};

/** Out: null when there is none. */
export async function findBuild(db: Database, id: BuildId): Promise<BuildRow | null> {
  const { rows } = await db.query<Found>(FIND, [id]);
  const row = rows[0];
  if (row === undefined) return null;
  const phases = row.phases.map((phase) => ({
    ...phase,
    startedAt: new Date(phase.startedAt),
    endedAt: phase.endedAt === null ? null : new Date(phase.endedAt),
  }));
  return { ...row, phases };
}
