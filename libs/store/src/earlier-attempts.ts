// The attempts of builds that were followed by another. Few builds have any, so they are asked for only where the phases tell of one.
import type { BuildRow } from './build-row.js';
import type { Database } from './database.js';
import type { BuildAttempt } from './generated/client.js';

/** Out: for each build that has some, its earlier attempts in order. */
export async function earlierAttempts(db: Database, rows: BuildRow[]): Promise<Map<string, BuildAttempt[]>> {
  // a retry writes the wait for the next attempt, which is at least the second
  const retried = rows.filter((row) => row.phases.some((phase) => phase.attempt > 1)).map((row) => row.id);
  const byBuild = new Map<string, BuildAttempt[]>();
  if (retried.length === 0) return byBuild;
  const attempts = await db.models((prisma) =>
    prisma.buildAttempt.findMany({ where: { buildId: { in: retried } }, orderBy: { attempt: 'asc' } }),
  );
  for (const attempt of attempts) {
    const those = byBuild.get(attempt.buildId) ?? [];
    those.push(attempt);
    byBuild.set(attempt.buildId, those);
  }
  return byBuild;
}
