// Goes through all projects that have builds, page by page, also those that were deleted: their builds are still there.
import type { Database } from '../database.js';

const PAGE = 500;

/**
 * Names of projects with builds that fulfil `having`, in order, PAGE at a time.
 * Hops from name to name through an index that begins with project_name: one index entry a project, not one a build. For a `having` of
 * its own there must be a partial index with that condition.
 */
export async function* projectPages(db: Database, having: string): AsyncGenerator<string[]> {
  for (let after = ''; ;) {
    const { rows } = await db.query<{ name: string }>(
      `WITH RECURSIVE names AS (
         (SELECT project_name AS name FROM build WHERE ${having} AND project_name > $1 ORDER BY project_name LIMIT 1)
         UNION ALL
         SELECT (SELECT b.project_name FROM build b WHERE ${having} AND b.project_name > n.name ORDER BY b.project_name LIMIT 1)
         FROM names n WHERE n.name IS NOT NULL
       ) SELECT name FROM names WHERE name IS NOT NULL LIMIT ${PAGE}`,
      [after],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map((row) => row.name);
    after = last.name;
  }
}
