// Which build retention by age and count leaves alone: the newest success of a project that still exists.

/** SQL: true for a build `b` that is its project's newest success; one look into the index build_last_success. */
export const IS_NEWEST_SUCCESS = `(b.status = 'SUCCEEDED' AND b.project_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM build s WHERE s.project_name = b.project_name AND s.status = 'SUCCEEDED' AND s.queued_at > b.queued_at))`;
