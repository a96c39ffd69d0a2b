// A worker takes the next build under a lease. Called by BuildsStore.claimNext.
import { NOTHING_CARRIED, type Carried } from '#core/fleet.js';
import type { BuildId, WorkerId } from '#core/ids.js';
import { applyEvent, standing, STANDING_COLUMNS, type StandingRow } from './apply-event.js';
import type { Database, Queryable } from './database.js';
import { PICK, pickValues, WAITING, withPickPlan } from './pick.js';

/** Key of the advisory lock under which claims take turns: `pick` in ASCII. */
const PICK_LOCK = 0x7069636b;

export interface ClaimRequest {
  workerId: WorkerId;
  leaseMs: number;
  /** What the worker carries; absent: nothing. */
  carried?: Carried;
  /** An item of the queue has just told of a build. */
  called?: boolean;
  /** Docker host of the worker; without one nobody can adopt the build. */
  host?: string | null;
}

export interface Claim {
  buildId: BuildId;
  attempt: number;
  leaseUntil: Date;
}

/** How often a claim looks again when the build that it picked was stopped or timed out under its hands. */
const MAX_PICKS = 20;

/**
 * Takes the next build that fits what the worker carries (absent: nothing), or nothing when none may start.
 * Claims take turns (an advisory lock until the commit): the pick depends on how many builds run, which only a pick that sees every
 * earlier one gets right; row locks alone would let two workers pass a project's limit together. A turn is four short statements.
 * Workers that find nothing never queue for it: they look once without the lock, unless they were told of a build (`called`).
 */
export async function claimNext(db: Database, request: ClaimRequest): Promise<Claim | null> {
  const values = pickValues(request.carried ?? NOTHING_CARRIED);
  if (request.called !== true) {
    const some = await withPickPlan(db, async (tx) => (await tx.query(PICK, values)).rowCount);
    if (some === 0) return null;
  }
  const claim = async (tx: Queryable): Promise<Claim | null> => {
    for (let picks = 0; picks < MAX_PICKS; picks++) {
      const picked = await tx.query<{ id: string }>(PICK, values);
      const id = picked.rows[0]?.id;
      if (id === undefined) return null;
      const taken = await take(tx, id, request);
      if (taken !== null) return taken;
    }
    return null;
  };
  return withPickPlan(db, claim, PICK_LOCK);
}

/** What an earlier attempt left in the row; build_attempt has kept of it what is to be kept. */
const FORGET_EARLIER = `failure = NULL, handed_over = false, image_digest = NULL, exported_variables = '[]', cache = NULL, report_ids = '{}',
       log_line_count = NULL, log_byte_count = NULL, log_sha256 = NULL, log_cut = false`;

/** Out: null when the build waits no longer. */
async function take(
  tx: Queryable,
  id: string,
  { workerId, leaseMs, host = null }: ClaimRequest,
): Promise<Claim | null> {
  const { rows } = await tx.query<StandingRow & { lease_until: Date }>(
    `UPDATE build SET attempt = attempt + 1, worker_id = $2, host = $4, version = version + 1,
       started_at = clock_timestamp()::timestamptz(3), ${FORGET_EARLIER},
       lease_until = (clock_timestamp() + $3 * interval '1 millisecond')::timestamptz(3)
     WHERE id = $1 AND ${WAITING}
     RETURNING ${STANDING_COLUMNS}, lease_until`,
    [id, workerId, leaseMs, host],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const build = standing(row);
  await applyEvent(tx, build, 'CLAIM', { contexts: [], at: null, data: { workerId } });
  return { buildId: build.id, attempt: build.attempt, leaseUntil: row.lease_until };
}
