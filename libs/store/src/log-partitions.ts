// Daily partitions of log_chunk. Called by migrate.ts, LogsStore, the append and retention; knows nothing of what lies in them.
import type { Database, Queryable } from './database.js';

/** Key of the advisory lock under which partitions are made: `logp` in ASCII. */
const PARTITION_LOCK = 0x6c6f6770;
const DAY_MS = 86_400_000;
/** How long a detach waits for statements that began before it. */
const DETACH_WAIT_MS = 10_000;

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
 * then attached, which locks out neither.
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
          ALTER TABLE log_chunk ATTACH PARTITION ${table} FOR VALUES FROM ('${from}') TO ('${to}');
        END IF;
      END $$`);
  }
}

/** A day's partition of log_chunk. */
export interface LogPartition {
  name: string;
  /** Midnight UTC. */
  day: Date;
}

/** All partitions that readers and writers see, oldest first. */
export async function logPartitions(db: Queryable): Promise<LogPartition[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'log_chunk'::regclass AND NOT i.inhdetachpending ORDER BY c.relname`,
  );
  return rows.flatMap(({ name }) => {
    const day = dayOfPartition(name);
    return day === null ? [] : [{ name, day }];
  });
}

function dayOfPartition(name: string): Date | null {
  const [, year, month, day] = /^log_chunk_(\d{4})(\d{2})(\d{2})$/.exec(name) ?? [];
  return year === undefined ? null : dayFromText(`${year}-${month}-${day}`);
}

/** Written on a table before it is detached, so that what was begun is found again; tables that somebody else detached are theirs. */
const DROPPING = 'kilnyard: retention drops this partition';

/**
 * Takes a partition away without making a reader or a writer of log_chunk wait: detached concurrently, then dropped as a table of its own.
 * A detach waits for statements that were running when it began (a dump, say), and is broken off after DETACH_WAIT_MS: the partition
 * may be out of sight by then, and dropPendingPartitions ends what was begun.
 * Out: bytes that it took. Errors: Fault DATABASE_UNAVAILABLE, retryable, when it was broken off.
 */
export async function dropLogPartition(db: Database, { name }: LogPartition): Promise<number> {
  return alone(db, async (session) => {
    const { rows } = await session.query<{ bytes: string }>(`SELECT pg_total_relation_size('${name}') AS bytes`);
    await session.query(`COMMENT ON TABLE ${name} IS '${DROPPING}'`);
    await session.query(`ALTER TABLE log_chunk DETACH PARTITION ${name} CONCURRENTLY`);
    await session.query(`DROP TABLE ${name}`);
    return Number(rows[0]?.bytes ?? 0);
  });
}

/** Ends what a broken off dropLogPartition left: partitions half detached, and tables detached and not dropped. Out: their names. */
export async function dropPendingPartitions(db: Database): Promise<string[]> {
  const { rows } = await db.query<{ name: string; pending: boolean }>(
    `SELECT c.relname AS name, i.inhrelid IS NOT NULL AS pending FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'log_chunk'::regclass)
       AND c.relname ~ '^log_chunk_[0-9]{8}$' AND (i.inhrelid IS NULL OR i.inhdetachpending)
       AND obj_description(c.oid, 'pg_class') = '${DROPPING}'`,
  );
  if (rows.length === 0) return [];
  await alone(db, async (session) => {
    for (const { name, pending } of rows) {
      if (pending) await session.query(`ALTER TABLE log_chunk DETACH PARTITION ${name} FINALIZE`);
      await session.query(`DROP TABLE ${name}`);
    }
  });
  return rows.map((row) => row.name);
}

/** On a connection of its own, outside any transaction, which a detach needs. */
function alone<T>(db: Database, work: (session: Queryable) => Promise<T>): Promise<T> {
  return db.session(async (session) => {
    await session.query(`SET lock_timeout = ${DETACH_WAIT_MS}`);
    const result = await work(session);
    await session.query('RESET lock_timeout');
    return result;
  });
}
