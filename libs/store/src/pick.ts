// Which waiting build starts next (decision 8), as SQL. Shared by the claim, the sweep's question and the answer to "what does it wait for".

import { fleetWordOf, wordsOf, type Carried } from '#core/fleet.js';
import type { Database, Queryable } from './database.js';

/** A build that waits and that nobody wants stopped; the predicate of the index build_waiting_needs. */
export const WAITING = `status = 'IN_PROGRESS' AND current_phase = 'QUEUED' AND stop_requested_at IS NULL`;
/** A build that a worker holds; the predicate of the index build_running. */
export const RUNNING = `status = 'IN_PROGRESS' AND current_phase <> 'QUEUED'`;

/** A build's words all carried, and in a fleet its word among them: `fits` of libs/core. $1: words carried, $2: the fleet's word or ''. */
export const FITS = `(string_to_array(requires, ',') <@ $1::text[] AND ($2 = '' OR $2 = ANY (string_to_array(requires, ','))))`;

/**
 * First build of each project and set of asked words (`requires`) that waits, where the project is below its limit: `head`.
 * In: which sets, as a condition on `requires`.
 *
 * Reads one index entry for each set, and one for each project in the sets that count, not one for each build: `needs` hops from set
 * to set through build_waiting_needs, `names` from project to project within them, and `head` takes the first build there. COLLATE
 * "C" is the index's, and no other index has it: with another choice the planner, before its statistics know of a sudden queue, took
 * one that read all of it (5 s for 100,000 builds). Projects are told apart by name, so builds of a deleted project still run (without
 * a limit), and count for a new project of that name.
 */
const headsOf = (counts: string): string => `
WITH RECURSIVE needs AS (
  (SELECT requires COLLATE "C" AS requires FROM build WHERE ${WAITING} ORDER BY requires COLLATE "C" LIMIT 1)
  UNION ALL
  SELECT (SELECT b.requires COLLATE "C" FROM build b WHERE ${WAITING} AND b.requires COLLATE "C" > n.requires
          ORDER BY b.requires COLLATE "C" LIMIT 1)
  FROM needs n WHERE n.requires IS NOT NULL
), names AS (
  SELECT requires, (SELECT b.project_name COLLATE "C" FROM build b
                    WHERE ${WAITING} AND b.requires COLLATE "C" = needs.requires
                    ORDER BY b.project_name COLLATE "C" LIMIT 1) AS project_name
  FROM needs WHERE requires IS NOT NULL AND ${counts}
  UNION ALL
  SELECT n.requires, (SELECT b.project_name COLLATE "C" FROM build b
                      WHERE ${WAITING} AND b.requires COLLATE "C" = n.requires
                        AND b.project_name COLLATE "C" > n.project_name
                      ORDER BY b.project_name COLLATE "C" LIMIT 1)
  FROM names n WHERE n.project_name IS NOT NULL
), running AS (
  SELECT project_name, count(*)::int AS count FROM build WHERE ${RUNNING} GROUP BY project_name
)
SELECT head.id, n.requires, head.priority, coalesce(r.count, 0) AS running, head.queued_at
FROM names n
CROSS JOIN LATERAL (
  SELECT b.id, b.priority, b.queued_at FROM build b
  WHERE ${WAITING} AND b.requires COLLATE "C" = n.requires AND b.project_name COLLATE "C" = n.project_name
  ORDER BY b.priority DESC, b.queued_at, b.id LIMIT 1
) head
LEFT JOIN running r ON r.project_name COLLATE "C" = n.project_name
LEFT JOIN project p ON p.name COLLATE "C" = n.project_name
WHERE n.project_name IS NOT NULL
  AND (p.concurrent_build_limit IS NULL OR coalesce(r.count, 0) < p.concurrent_build_limit)`;

/**
 * The next build for a worker ($1, $2 as in FITS): of those that fit it the highest priority; then the project with the fewest running
 * builds; then the oldest. Projects at their concurrentBuildLimit are passed over.
 */
export const PICK = `${headsOf(FITS)}
ORDER BY head.priority DESC, coalesce(r.count, 0), head.queued_at, head.id
LIMIT 1`;

/** The sets of asked words of which some build could start, but not on this worker ($1, $2 as in FITS; $3: on none of its like). */
export const CLAIMABLE_ELSEWHERE = `SELECT DISTINCT requires FROM (${headsOf(`($3 OR NOT ${FITS})`)}) AS heads LIMIT 50`;

/**
 * Runs the queries above in a transaction that plans them without bitmap scans. Such a scan gives no order, so one step of a hop would
 * read all entries of its project and sort them; to a planner whose statistics do not know the flood yet, it costs the same.
 * In: `lock` = key of an advisory lock to wait for first.
 */
export function withPickPlan<T>(db: Database, work: (tx: Queryable) => Promise<T>, lock?: number): Promise<T> {
  const locked = lock === undefined ? '' : `; SELECT pg_advisory_xact_lock(${lock})`;
  return db.transaction(work, `SET LOCAL enable_bitmapscan = off${locked}`);
}

/** The values of $1 and $2. */
export function pickValues(carried: Carried): [string[], string] {
  return [wordsOf(carried), fleetWordOf(carried)];
}
