// Retention of logs that lie in the database: a day's partition goes when no build of that day keeps its log in it; where some do, the
// others' logs go one by one. Logs that were archived keep no partition (expire-archived-logs.ts).
import { keepsLogOf } from '#core/retention.js';
import type { Database } from '../database.js';
import {
  dayText,
  dropLogPartition,
  dropPendingPartitions,
  logPartitions,
  type LogPartition,
} from '../log-partitions.js';
import { dayBounds, ENDED_LOG_HERE, keepersOf, logsOfDay, nextGoesAt, OF_DAY } from './logs-of-day.js';
import { inBatches, NOTHING, type Taken } from './pace.js';
import type { Policies } from './policies.js';
import { SettledDays } from './settled-days.js';

/** Rows of builds that are marked at once. */
const MARK_BATCH = 1_000;
/** Logs that are deleted at once, and the text in them, but for the last one. */
const DELETE_BATCH = 50;
const DELETE_BYTES = 256 * 1024 * 1024;

export class LogExpiry {
  private readonly settled = new SettledDays();

  /** In: `emptied` = partitions out of which all was archived that is kept, whatever the policies say of their day; taken out when they are looked at. */
  constructor(
    private readonly db: Database,
    private readonly emptied: Set<string> = new Set(),
  ) {}

  /**
   * One round. A build is marked (log_expired_at) before its chunks go, so a reader is told, and never given half a log as a whole one.
   * Out: logs, and bytes of disk that were given back. Errors: those of the last day that failed; the other days go on.
   */
  async expire(policies: Policies, now: Date, signal: AbortSignal): Promise<Taken & { partitions: string[] }> {
    const total = { ...NOTHING, partitions: await dropPendingPartitions(this.db) };
    let failure: Error | null = null;
    for (const partition of await logPartitions(this.db)) {
      signal.throwIfAborted();
      if (this.staysWhole(partition, policies, now)) continue;
      try {
        const taken = await this.expireDay(partition, policies, now, signal);
        total.items += taken.items;
        total.bytes += taken.bytes;
        if (taken.dropped) total.partitions.push(partition.name);
      } catch (error) {
        signal.throwIfAborted();
        failure = error instanceof Error ? error : new Error(String(error));
      }
    }
    if (failure !== null) throw failure;
    return total;
  }

  /** Without asking the database: no policy lets a log of that day go yet, or nothing has changed since the last look. */
  private staysWhole({ name, day }: LogPartition, policies: Policies, now: Date): boolean {
    // what was noted of it is no longer so; and if its drop fails it is looked at again
    if (this.emptied.delete(name)) this.settled.forget(name);
    else if (policies.all().every((policy) => keepsLogOf(day, policy, now))) return true;
    return this.settled.has(name, policies.mark, now);
  }

  private async expireDay(
    partition: LogPartition,
    policies: Policies,
    now: Date,
    signal: AbortSignal,
  ): Promise<Taken & { dropped: boolean }> {
    const { name, day } = partition;
    const parts = await logsOfDay(this.db, day);
    const running = parts.some((part) => part.running);
    const keepers = keepersOf(parts, day, policies, now).filter(({ logs }) => logs > 0);
    if (keepers.length > 0 || running) {
      const keeping = keepersOf(parts, day, policies, now).map((part) => part.name);
      const taken = await inBatches(signal, () => this.deleteSome(day, keeping));
      if (!running) this.settled.note(name, policies.mark, nextGoesAt(keepers, day, policies));
      return { ...taken, dropped: false };
    }
    const marked = await inBatches(signal, () => this.markSome(day));
    const bytes = await dropLogPartition(this.db, partition);
    this.settled.forget(name);
    return { items: marked.items, bytes, dropped: true };
  }

  /** All of the day go. A log without a line needs no mark. */
  private async markSome(day: Date): Promise<Taken> {
    const { rowCount } = await this.db.query(
      `UPDATE build SET log_expired_at = now(), version = version + 1 WHERE id IN (
         SELECT id FROM build WHERE ${OF_DAY} AND ${ENDED_LOG_HERE} LIMIT ${MARK_BATCH}
       )`,
      dayBounds(day),
    );
    return { items: rowCount ?? 0, bytes: 0 };
  }

  /** Some of the day stay: the others' logs are marked and deleted in one statement. */
  private async deleteSome(day: Date, keepers: string[]): Promise<Taken> {
    const { rows } = await this.db.query<{ items: number; bytes: string }>(
      `WITH going AS (
         SELECT id, sum(log_byte_count) OVER (ORDER BY id) - log_byte_count AS before FROM (
           SELECT id, coalesce(log_byte_count, 0) AS log_byte_count FROM build
           WHERE ${OF_DAY} AND ${ENDED_LOG_HERE} AND NOT project_name = ANY($4)
           ORDER BY id LIMIT ${DELETE_BATCH}
         ) next
       ), marked AS (
         UPDATE build b SET log_expired_at = now(), version = version + 1 FROM going g
         WHERE b.id = g.id AND g.before < ${DELETE_BYTES} AND b.status <> 'IN_PROGRESS' RETURNING b.id
       ), gone AS (
         DELETE FROM log_chunk c USING marked m WHERE c.build_id = m.id AND c.day = $3::date
         RETURNING octet_length(c.body) AS bytes
       )
       SELECT (SELECT count(*)::int FROM marked) AS items, (SELECT coalesce(sum(bytes), 0) FROM gone) AS bytes`,
      [...dayBounds(day), dayText(day), keepers],
    );
    return { items: rows[0]?.items ?? 0, bytes: Number(rows[0]?.bytes ?? 0) };
  }
}
