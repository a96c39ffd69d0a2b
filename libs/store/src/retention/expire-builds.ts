// Retention of builds by age and by count for each project. Never one in progress, nor the newest success of a project.
import { olderThan } from '#core/retention.js';
import type { Database } from '../database.js';
import { deleteBuilds } from '../delete-builds.js';
import { IS_NEWEST_SUCCESS } from './newest-success.js';
import { inBatches, NOTHING, type Taken } from './pace.js';
import type { Policies } from './policies.js';
import { projectPages } from './walk-projects.js';

/** Builds that are deleted in one transaction, with their phases and events. */
export const BUILD_BATCH = 200;
/** Builds of one project in a batch, so that a large project does not keep the others waiting. */
const OF_ONE_PROJECT = 50;

/** One round. Out: how many builds. */
export async function expireBuilds(db: Database, policies: Policies, now: Date, signal: AbortSignal): Promise<Taken> {
  const total = { ...NOTHING };
  for await (const names of projectPages(db, 'true')) {
    signal.throwIfAborted();
    const taken = await inBatches(signal, async () => {
      const ids = await dueBuilds(db, names, policies, now);
      return { items: ids.length === 0 ? 0 : await deleteBuilds(db, ids), bytes: 0 };
    });
    total.items += taken.items;
  }
  await forgetBatches(db, now);
  return total;
}

/** An ended batch goes with the last of its builds. */
async function forgetBatches(db: Database, now: Date): Promise<void> {
  await db.query(
    `DELETE FROM build_batch b WHERE b.status <> 'IN_PROGRESS' AND b.ended_at < $1::timestamptz
       AND NOT EXISTS (SELECT 1 FROM build WHERE batch_id = b.id)`,
    [now.toISOString()],
  );
}

/**
 * Builds of these projects that are due, oldest first.
 * The count is only looked into where the project has ever had more; numbers are never used twice. What is as old to the millisecond as
 * the last one that counts stays too.
 */
async function dueBuilds(db: Database, names: string[], policies: Policies, now: Date): Promise<string[]> {
  const of = names.map((name) => policies.of(name));
  const { rows } = await db.query<{ id: string }>(
    `SELECT due.id FROM unnest($1::text[], $2::timestamptz[], $3::int[]) AS p(name, before, keep)
     CROSS JOIN LATERAL (
       SELECT greatest(p.before, (
         SELECT counted.queued_at FROM build counted
         WHERE p.keep > 0 AND counted.project_name = p.name AND (SELECT last_build_number FROM project WHERE name = p.name) > p.keep
         ORDER BY counted.queued_at DESC OFFSET greatest(p.keep - 1, 0) LIMIT 1
       )) AS before
     ) edge
     CROSS JOIN LATERAL (
       SELECT b.id FROM build b
       WHERE b.project_name = p.name AND b.queued_at < edge.before AND b.status <> 'IN_PROGRESS' AND NOT ${IS_NEWEST_SUCCESS}
       ORDER BY b.queued_at LIMIT ${OF_ONE_PROJECT}
     ) due
     LIMIT ${BUILD_BATCH}`,
    [
      names,
      of.map((policy) => olderThan(policy.buildsDays, now)?.toISOString() ?? null),
      of.map((policy) => policy.buildsCount),
    ],
  );
  return rows.map((row) => row.id);
}
