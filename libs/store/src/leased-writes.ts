// What a worker writes to the build that it holds. Every write is guarded by the lease. Called by BuildsStore.
import type { BatchPlan } from '#core/batch.js';
import type { Artifact, CacheUse, ExportedVariable, Lease, Pause, ResumedBy } from '#core/build.js';
import { Fault, Refusal } from '#core/errors.js';
import type { PhaseContext, PhaseType } from '#core/phase.js';
import type { BuildState, TransitionEvent } from '#core/transitions.js';
import { applyEvent, standing, STANDING_COLUMNS, type StandingRow } from './apply-event.js';
import type { Database } from './database.js';
import { BUILD_CHANNEL } from './listen.js';
import { ASKED_TO_END, writePaused, writeResumed } from './pauses.js';
import { storedJson, storedText } from './stored-json.js';

/**
 * The guard: true until the lease has passed on. Takes the parameters $1 to $3 of leaseValues.
 * A lease that has run out may pass on, and has not yet: until the sweep ends the build, its worker (back from a pause, or from a
 * database that was away) goes on. The sweep and these writes meet at the row's lock, so one of them comes first.
 */
export const HOLDS_LEASE = `id = $1 AND attempt = $2 AND worker_id = $3 AND status = 'IN_PROGRESS'`;

export function leaseValues(lease: Lease): [string, number, string] {
  return [lease.buildId, lease.attempt, lease.workerId];
}

export function leaseLost(lease: Lease): Fault {
  return new Fault(
    'LEASE_LOST',
    `worker ${lease.workerId} no longer holds build ${lease.buildId} under attempt ${lease.attempt}`,
    { details: { buildId: lease.buildId, attempt: lease.attempt, workerId: lease.workerId } },
  );
}

/**
 * Prolongs the lease from now. Out: its new end by the database's clock, whether somebody wants the build stopped, and the number of the
 * pause that somebody wants ended, or null.
 */
export async function renewLease(
  db: Database,
  lease: Lease,
  leaseMs: number,
): Promise<{ leaseUntil: Date; stopRequested: boolean; resumeAsked: number | null }> {
  const { rows } = await db.query<{ lease_until: Date; stop: boolean; resume: number | null }>(
    `UPDATE build SET lease_until = (now() + $4 * interval '1 millisecond')::timestamptz(3) WHERE ${HOLDS_LEASE}
     RETURNING lease_until, stop_requested_at IS NOT NULL AS stop, ${ASKED_TO_END} AS resume`,
    [...leaseValues(lease), leaseMs],
  );
  const row = rows[0];
  if (row === undefined) throw leaseLost(lease);
  return { leaseUntil: row.lease_until, stopRequested: row.stop, resumeAsked: row.resume };
}

export interface PhaseEnd {
  /** Which phase; it is left out when that has ended already: an answer that got lost makes its worker write it again. */
  phase?: PhaseType;
  event: TransitionEvent;
  contexts: PhaseContext[];
  at: Date;
}

/**
 * Applies events of core/transitions, one at least, in order, all or none. Out: the state behind the last; QUEUED when the build gets
 * another attempt. Errors: Fault LEASE_LOST, Refusal ILLEGAL_TRANSITION.
 */
export async function applyLeased(db: Database, lease: Lease, ends: readonly PhaseEnd[]): Promise<BuildState> {
  return db.transaction(async (tx) => {
    // not FOR UPDATE, which would make the same worker's appends to the log wait for it
    const { rows } = await tx.query<StandingRow>(
      `SELECT ${STANDING_COLUMNS} FROM build WHERE ${HOLDS_LEASE} FOR NO KEY UPDATE`,
      leaseValues(lease),
    );
    const row = rows[0];
    if (row === undefined) throw leaseLost(lease);
    const build = standing(row);
    const first = ends.findIndex(({ phase }) => phase === undefined || phase === build.state.phase);
    for (const { event, contexts, at } of first === -1 ? [] : ends.slice(first)) {
      build.state = await applyEvent(tx, build, event, { contexts, at });
      build.version += 1; // each event changes the row once
    }
    return build.state;
  });
}

/**
 * Lets go of a build of which the holder of the lease knows that no user code has run: it goes back to the queue for another attempt,
 * or ends STOPPED where a stop was asked for, FAULT where this happened too often (core/retry.ts). `lost` counts it as a lost start.
 * Errors: Fault LEASE_LOST; Refusal ILLEGAL_TRANSITION in a phase of which that cannot be known.
 */
export async function giveBack(db: Database, lease: Lease, reason: string, lost: boolean): Promise<BuildState> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<StandingRow & { stop: boolean }>(
      `SELECT ${STANDING_COLUMNS}, stop_requested_at IS NOT NULL AS stop FROM build WHERE ${HOLDS_LEASE} FOR UPDATE`,
      leaseValues(lease),
    );
    const row = rows[0];
    if (row === undefined) throw leaseLost(lease);
    const build = standing(row);
    const { phase } = build.state;
    if (!GIVEN_BACK_FROM.includes(phase)) {
      throw new Refusal(
        'ILLEGAL_TRANSITION',
        `build ${build.id} can be given back in ${GIVEN_BACK_FROM.join(' and ')}; it is in ${phase}`,
        { details: { phase } },
      );
    }
    if (row.stop) return applyEvent(tx, build, 'STOP', { contexts: [], at: null });
    const context: PhaseContext = { statusCode: 'INTERNAL_SERVICE_ERROR', message: reason, faultCode: 'WORKER_LOST' };
    return applyEvent(tx, build, 'FAULT', { contexts: [context], at: null, unstarted: lost ? 'LOST' : 'GIVEN_BACK' });
  });
}

/** The phases before any user code. */
const GIVEN_BACK_FROM: readonly PhaseType[] = ['PROVISIONING', 'DOWNLOAD_SOURCE'];

/** Writes down that user code may run from now on. Errors: Fault LEASE_LOST. */
export async function setHandedOver(db: Database, lease: Lease): Promise<void> {
  const { rowCount } = await db.query(`UPDATE build SET handed_over = true WHERE ${HOLDS_LEASE}`, leaseValues(lease));
  if (rowCount !== 1) throw leaseLost(lease);
}

/** Columns that a worker fills in while it runs, and how a value goes in. */
const FACTS = {
  resolved_source_version: '$4',
  image_digest: '$4',
  exported_variables: '$4::jsonb',
  cache: '$4::jsonb',
} as const;

async function setFact(db: Database, lease: Lease, column: keyof typeof FACTS, value: string): Promise<void> {
  const { rowCount } = await db.query(
    `WITH changed AS (UPDATE build SET ${column} = ${FACTS[column]}, version = version + 1 WHERE ${HOLDS_LEASE} RETURNING id)
     SELECT pg_notify('${BUILD_CHANNEL}', id || ' status') FROM changed`,
    [...leaseValues(lease), value],
  );
  if (rowCount !== 1) throw leaseLost(lease);
}

export function setResolvedSource(db: Database, lease: Lease, version: string): Promise<void> {
  return setFact(db, lease, 'resolved_source_version', storedText(version));
}

export function setImage(db: Database, lease: Lease, digest: string): Promise<void> {
  return setFact(db, lease, 'image_digest', storedText(digest));
}

export function setExportedVariables(db: Database, lease: Lease, variables: ExportedVariable[]): Promise<void> {
  return setFact(db, lease, 'exported_variables', storedJson(variables));
}

export function setCache(db: Database, lease: Lease, use: CacheUse): Promise<void> {
  return setFact(db, lease, 'cache', storedJson(use));
}

/** See pauses.ts. Errors: Fault LEASE_LOST. */
export async function setPaused(db: Database, lease: Lease, pause: Pause): Promise<void> {
  if (!(await writePaused(db, { guard: HOLDS_LEASE, values: leaseValues(lease) }, pause))) throw leaseLost(lease);
}

/** See pauses.ts. Errors: Fault LEASE_LOST. */
export async function setResumed(db: Database, lease: Lease, number: number, by: ResumedBy): Promise<void> {
  const held = { guard: HOLDS_LEASE, values: leaseValues(lease) };
  if (!(await writeResumed(db, held, number, by))) throw leaseLost(lease);
}

/** Keeps what the build that reads a batch's buildspec planned; the batch begins with it when that build has succeeded. Errors: Fault LEASE_LOST. */
export async function setBatchPlan(db: Database, lease: Lease, plan: BatchPlan): Promise<void> {
  const { rowCount } = await db.query(
    `WITH held AS (SELECT batch_id FROM build WHERE ${HOLDS_LEASE} FOR NO KEY UPDATE)
     UPDATE build_batch SET plan = $4::jsonb FROM held WHERE build_batch.id = held.batch_id`,
    [...leaseValues(lease), storedJson(plan)],
  );
  if (rowCount !== 1) throw leaseLost(lease);
}

/** Writes down an artifact of this attempt; the same identifier again replaces it. */
export async function addArtifact(db: Database, lease: Lease, artifact: Artifact): Promise<void> {
  const { rowCount } = await db.query(
    `WITH held AS (UPDATE build SET version = version + 1, artifacts_kept = true WHERE ${HOLDS_LEASE} RETURNING id, attempt),
     added AS (
       INSERT INTO build_artifact (build_id, attempt, identifier, name, packaging, file_count, size_bytes, sha256, md5, location, created_at, place)
       SELECT id, attempt, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 FROM held
       ON CONFLICT (build_id, attempt, identifier) DO UPDATE SET name = excluded.name, packaging = excluded.packaging,
         file_count = excluded.file_count, size_bytes = excluded.size_bytes, sha256 = excluded.sha256, md5 = excluded.md5,
         location = excluded.location, created_at = excluded.created_at, place = excluded.place)
     SELECT pg_notify('${BUILD_CHANNEL}', id || ' status') FROM held`,
    [
      ...leaseValues(lease),
      artifact.identifier,
      storedText(artifact.name),
      artifact.packaging,
      artifact.fileCount,
      artifact.sizeBytes,
      artifact.sha256 ?? null,
      artifact.md5 ?? null,
      artifact.location,
      artifact.createdAt.toISOString(),
      artifact.place === undefined ? null : storedText(artifact.place),
    ],
  );
  if (rowCount !== 1) throw leaseLost(lease);
}
