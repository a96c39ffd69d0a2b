// A build passes from one worker to another of the same Docker host, within its attempt. Called by BuildsStore.
import type { Lease } from '#core/build.js';
import { asBuildId, asWorkerId, type BuildId, type WorkerId } from '#core/ids.js';
import type { BuildStatus, PhaseType } from '#core/phase.js';
import type { BuildState } from '#core/transitions.js';
import type { Database } from './database.js';
import { HOLDS_LEASE, leaseLost, leaseValues } from './leased-writes.js';
import { BUILD_CHANNEL } from './listen.js';
import { storedJson } from './stored-json.js';

/** A running build of a host, as its workers look at it. */
export interface HeldBuild {
  buildId: BuildId;
  attempt: number;
  workerId: WorkerId;
  /** How long ago its lease ran out, ms, by the database's clock; negative while it holds. */
  expiredMs: number;
}

export interface AdoptRequest extends HeldBuild {
  /** Who takes it. */
  by: WorkerId;
  leaseMs: number;
  /** Takes it although the lease still holds: its worker is known to be dead. */
  evenHeld: boolean;
}

/** Running builds whose worker is on this Docker host, oldest lease first. */
export async function heldOnHost(db: Database, host: string): Promise<HeldBuild[]> {
  const { rows } = await db.query<{ id: string; attempt: number; worker_id: string; expired_ms: number }>(
    `SELECT id, attempt, worker_id, (extract(epoch FROM clock_timestamp() - lease_until) * 1000)::float8 AS expired_ms
     FROM build WHERE status = 'IN_PROGRESS' AND current_phase <> 'QUEUED' AND host = $1 ORDER BY lease_until, id`,
    [host],
  );
  return rows.map((row) => ({
    buildId: asBuildId(row.id),
    attempt: row.attempt,
    workerId: asWorkerId(row.worker_id),
    expiredMs: row.expired_ms,
  }));
}

/**
 * The lease passes on: from here on the old worker's writes are refused. The attempt stays the same.
 * Out: where the build stands and since when, or null when somebody else took it, ended it or went on with it meanwhile.
 */
export async function adopt(
  db: Database,
  request: AdoptRequest,
): Promise<{ lease: Lease; state: BuildState; since: Date } | null> {
  const { buildId, attempt, workerId, by, leaseMs, evenHeld } = request;
  return db.transaction(async (tx) => {
    // waits for an append of the old worker that has read its lease (see log-append.ts); an update alone would not
    await tx.query('SELECT 1 FROM build WHERE id = $1 FOR UPDATE', [buildId]);
    const { rows } = await tx.query<{ status: string; current_phase: string; failing: boolean; since: Date }>(
      `UPDATE build SET worker_id = $4, version = version + 1,
         lease_until = (clock_timestamp() + $5 * interval '1 millisecond')::timestamptz(3)
       WHERE ${HOLDS_LEASE} AND current_phase <> 'QUEUED' AND ($6 OR lease_until < clock_timestamp())
       RETURNING status, current_phase, failing,
         (SELECT max(started_at) FROM build_phase p WHERE p.build_id = build.id AND p.attempt = build.attempt AND p.ended_at IS NULL) AS since`,
      [buildId, attempt, workerId, by, leaseMs, evenHeld],
    );
    const row = rows[0];
    if (row === undefined) return null;
    await tx.query(`INSERT INTO build_event (build_id, attempt, type, data) VALUES ($1, $2, 'ADOPTED', $3::jsonb)`, [
      buildId,
      attempt,
      storedJson({ from: workerId, to: by }),
    ]);
    await tx.query(`SELECT pg_notify('${BUILD_CHANNEL}', $1)`, [`${buildId} status`]);
    const state = { status: row.status as BuildStatus, phase: row.current_phase as PhaseType, failing: row.failing };
    return { lease: { buildId, attempt, workerId: by }, state, since: row.since };
  });
}

/** Lets a running build go for another worker of its host to adopt, and wakes those that listen. Errors: Fault LEASE_LOST. */
export async function release(db: Database, lease: Lease): Promise<void> {
  const { rowCount } = await db.query(
    `WITH changed AS (
       UPDATE build SET lease_until = (clock_timestamp() - interval '1 millisecond')::timestamptz(3) WHERE ${HOLDS_LEASE} RETURNING id)
     SELECT pg_notify('${BUILD_CHANNEL}', id || ' released') FROM changed`,
    leaseValues(lease),
  );
  if (rowCount !== 1) throw leaseLost(lease);
}
