// Builds of days gone by, with the logs that they left: for tests of retention and of archived logs.
import type { Lease } from '#core/build.js';
import { asWorkerId, type BuildId } from '#core/ids.js';
import type { LogChunk } from '#core/log-line.js';
import { PHASE_TYPES } from '#core/phase.js';
import { BuildsStore } from '#store/builds.store.js';
import type { Database } from '#store/database.js';
import { LogsStore } from '#store/logs.store.js';
import { ProjectsStore } from '#store/projects.store.js';
import { newLogSeal } from './factories.js';

export interface OldBuild {
  /** Which exists. */
  project: string;
  queuedAt: Date;
  /** Chunks of each attempt, the first one first; at least one attempt. */
  attempts: readonly (readonly LogChunk[])[];
  /** Default FAILED. */
  status?: string;
  /** False: the last attempt's log stays open. */
  sealed?: boolean;
}

/** Nobody else may be waiting in the queue. */
export async function newOldBuild(db: Database, old: OldBuild): Promise<BuildId> {
  const builds = new BuildsStore(db);
  const project = await new ProjectsStore(db).get(old.project);
  const { id } = await builds.create({
    ...{ project, settings: project.settings, overrides: {}, initiator: 'a', maxWaiting: 1e6 },
  });
  await db.query(
    "UPDATE build SET queued_at = $2, log_day = ($2::timestamptz AT TIME ZONE 'UTC')::date WHERE id = $1",
    [id, old.queuedAt.toISOString()],
  );
  const claimed = await builds.claimNext({ workerId: asWorkerId('w'), leaseMs: 60_000 });
  if (claimed?.lease.buildId !== id) throw new Error('another build was claimed');
  for (const [index, chunks] of old.attempts.entries()) {
    const last = index === old.attempts.length - 1;
    const lease = { ...claimed.lease, attempt: index + 1 };
    if (index > 0) await nextAttempt(db, lease);
    await store(db, lease, chunks, !last || old.sealed !== false);
  }
  await db.query('UPDATE build SET status = $2 WHERE id = $1', [id, old.status ?? 'FAILED']);
  return id;
}

/** The attempt before is over, and this one runs. */
async function nextAttempt(db: Database, { buildId, attempt }: Lease): Promise<void> {
  await db.query(
    `INSERT INTO build_attempt (build_id, attempt, status, cause, retried_as, started_at, ended_at, log_line_count, log_byte_count, log_sha256)
     SELECT id, attempt, 'FAULT', 'FAULT', 'AUTO_RETRY', queued_at, queued_at, log_line_count, log_byte_count, log_sha256 FROM build WHERE id = $1`,
    [buildId],
  );
  await db.query(
    `INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, status, started_at, ended_at)
     SELECT id, $2, $3, 'QUEUED', 'SUCCEEDED', queued_at, queued_at FROM build WHERE id = $1`,
    [buildId, attempt, PHASE_TYPES.indexOf('QUEUED')],
  );
  await db.query(
    'UPDATE build SET attempt = $2, log_line_count = NULL, log_byte_count = NULL, log_sha256 = NULL WHERE id = $1',
    [buildId, attempt],
  );
}

async function store(db: Database, lease: Lease, chunks: readonly LogChunk[], sealed: boolean): Promise<void> {
  const logs = new LogsStore(db);
  for (const chunk of chunks) await logs.append(lease, chunk);
  if (sealed) await logs.seal(lease, newLogSeal([...chunks]));
}
