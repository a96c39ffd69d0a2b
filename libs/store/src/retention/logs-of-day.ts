// What of the logs of one UTC day still lies in the database, and whose it is.
import { keepsLogOf, logGoesAt } from '#core/retention.js';
import type { Queryable } from '../database.js';
import type { Policies } from './policies.js';

const DAY_MS = 86_400_000;

/** SQL: builds of one day; $1 and $2 are the day and the next one (dayBounds). */
export const OF_DAY = 'queued_at >= $1 AND queued_at < $2';

/** SQL: nobody writes to its log any more, and it has a line as far as the row tells (an earlier attempt may have left some), in the database. */
export const ENDED_LOG_HERE = `status <> 'IN_PROGRESS' AND (log_line_count IS DISTINCT FROM 0 OR attempt > 1)
  AND log_expired_at IS NULL AND NOT log_archived`;

export function dayBounds(day: Date): [string, string] {
  return [day.toISOString(), new Date(day.getTime() + DAY_MS).toISOString()];
}

/** One project's part of a day. */
export interface DayPart {
  name: string;
  /** Logs that lie in the database, are not written to any more and have not expired. */
  logs: number;
  /** Text in them, and in all logs that the project's builds of that day have ever had, by the builds' rows. */
  bytes: number;
  allBytes: number;
  /** One of its builds is still in progress. */
  running: boolean;
}

export async function logsOfDay(db: Queryable, day: Date): Promise<DayPart[]> {
  const { rows } = await db.query<DayPart & { bytes: string; all_bytes: string } & Record<string, unknown>>(
    `SELECT project_name AS name, count(*) FILTER (WHERE ${ENDED_LOG_HERE})::int AS logs,
       coalesce(sum(log_byte_count) FILTER (WHERE ${ENDED_LOG_HERE}), 0) AS bytes, coalesce(sum(log_byte_count), 0) AS all_bytes,
       bool_or(status = 'IN_PROGRESS') AS running
     FROM build WHERE ${OF_DAY} GROUP BY project_name`,
    dayBounds(day),
  );
  return rows.map(({ name, logs, bytes, all_bytes, running }) => ({
    ...{ name, logs, running },
    ...{ bytes: Number(bytes), allBytes: Number(all_bytes) },
  }));
}

/** Those of them whose policy keeps their logs of that day. */
export function keepersOf(parts: readonly DayPart[], day: Date, policies: Policies, now: Date): DayPart[] {
  return parts.filter(({ name }) => keepsLogOf(day, policies.of(name), now));
}

/** When the first of these projects' logs of that day goes, in ms since 1970; Infinity: never. */
export function nextGoesAt(parts: readonly DayPart[], day: Date, policies: Policies): number {
  return Math.min(...parts.map(({ name }) => logGoesAt(day, policies.of(name))?.getTime() ?? Infinity));
}
