// Which waiting build starts next (decision 8), as SQL. Shared by the claim, the sweep's question and the answer to "what does it wait for".

/** A build that waits and that nobody wants stopped; the predicate of the index build_waiting. */
export const WAITING = `status = 'IN_PROGRESS' AND current_phase = 'QUEUED' AND stop_requested_at IS NULL`;
/** A build that a worker holds; the predicate of the index build_running. */
export const RUNNING = `status = 'IN_PROGRESS' AND current_phase <> 'QUEUED'`;

/**
 * The next build: highest priority; then the project with the fewest running builds; then the oldest. Projects at their
 * concurrentBuildLimit are passed over.
 *
 * Reads one index entry for each project that waits, not one for each build: `names` hops from project to project through
 * build_waiting, and `head` takes each one's first build there. COLLATE "C" is the index's, and no other index has it: with another
 * choice the planner, before its statistics know of a sudden queue, took one that read all of it (5 s for 100,000 builds). Projects are told apart by name, so builds of a deleted project
 * still run (without a limit), and count for a new project of that name.
 */
export const PICK = `
WITH RECURSIVE names AS (
  (SELECT project_name COLLATE "C" AS project_name FROM build WHERE ${WAITING}
   ORDER BY project_name COLLATE "C" LIMIT 1)
  UNION ALL
  SELECT (SELECT b.project_name COLLATE "C" FROM build b
          WHERE ${WAITING} AND b.project_name COLLATE "C" > n.project_name
          ORDER BY b.project_name COLLATE "C" LIMIT 1)
  FROM names n WHERE n.project_name IS NOT NULL
), running AS (
  SELECT project_name, count(*)::int AS count FROM build WHERE ${RUNNING} GROUP BY project_name
)
SELECT head.id
FROM names n
CROSS JOIN LATERAL (
  SELECT b.id, b.priority, b.queued_at FROM build b
  WHERE ${WAITING} AND b.project_name COLLATE "C" = n.project_name
  ORDER BY b.priority DESC, b.queued_at, b.id LIMIT 1
) head
LEFT JOIN running r ON r.project_name COLLATE "C" = n.project_name
LEFT JOIN project p ON p.name COLLATE "C" = n.project_name
WHERE n.project_name IS NOT NULL
  AND (p.concurrent_build_limit IS NULL OR coalesce(r.count, 0) < p.concurrent_build_limit)
ORDER BY head.priority DESC, coalesce(r.count, 0), head.queued_at, head.id
LIMIT 1`;
