// Daily partitions of log_chunk. Called by migrate.ts and LogsStore; knows nothing of what lies in them.
import type { Queryable } from './database.js';

/** Key of the advisory lock under which partitions are made: `logp` in ASCII. */
const PARTITION_LOCK = 0x6c6f6770;
const DAY_MS = 86_400_000;

/** UTC day as Postgres spells it: `2026-11-22`. */
export function dayText(day: Date): string {
  return day.toISOString().slice(0, 10);
}

/** A day as midnight UTC, from Postgres' spelling. */
export function dayFromText(text: string): Date {
  return new Date(`${text}T00:00:00.000Z`);
}

export function todayAndTomorrow(now: Date): Date[] {
  return [now, new Date(now.getTime() + DAY_MS)];
}

/** Name of a day's partition: `log_chunk_20261122`. */
export function partitionName(day: Date): string {
  return `log_chunk_${dayText(day).replaceAll('-', '')}`;
}

/** Days among `days` that have no partition yet. */
export async function missingPartitions(db: Queryable, days: Date[]): Promise<Date[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'log_chunk'::regclass`,
  );
  const there = new Set(rows.map((row) => row.name));
  return days.filter((day) => !there.has(partitionName(day)));
}

/**
 * Makes the partitions of these UTC days where they are missing. Idempotent; safe from several processes at once (an advisory
 * lock).
 *
 * `CREATE TABLE … PARTITION OF` would lock all of log_chunk against readers and writers. So each partition is made beside it and
 * then attached, which locks only the default partition: rows of that day that fell into it are moved over first, under that lock.
 */
export async function ensureLogPartitions(db: Queryable, days: Date[]): Promise<void> {
  for (const day of await missingPartitions(db, days)) {
    const table = partitionName(day);
    const from = dayText(day);
    const to = dayText(new Date(day.getTime() + DAY_MS));
    // One statement, so one transaction. Names and days are ours, digits and dashes only.
    await db.query(`
      DO $$
      BEGIN
        PERFORM pg_advisory_xact_lock(${PARTITION_LOCK});
        PERFORM set_config('lock_timeout', '5s', true);
        IF to_regclass('${table}') IS NULL THEN
          CREATE TABLE ${table} (LIKE log_chunk INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING INDEXES);
          LOCK TABLE log_chunk_default IN ACCESS EXCLUSIVE MODE;
          WITH moved AS (DELETE FROM log_chunk_default WHERE day >= '${from}' AND day < '${to}' RETURNING *)
            INSERT INTO ${table} SELECT * FROM moved;
          ALTER TABLE log_chunk ATTACH PARTITION ${table} FOR VALUES FROM ('${from}') TO ('${to}');
        END IF;
      END $$`);
  }
}
