// Retention of logs: a day's partition goes when no build of that day keeps its log; where some do, the others' logs go one by one.
import { keepsLogOf, logGoesAt } from '#core/retention.js';
import type { Database } from '../database.js';
import {
  dayText,
  dropLogPartition,
  dropPendingPartitions,
  logPartitions,
  type LogPartition,
} from '../log-partitions.js';
import { inBatches, NOTHING, type Taken } from './pace.js';
import type { Policies } from './policies.js';

const DAY_MS = 86_400_000;
/** Rows of builds that are marked at once. */
const MARK_BATCH = 1_000;
/** Logs that are deleted at once, and the text in them, but for the last one. */
const DELETE_BATCH = 50;
const DELETE_BYTES = 256 * 1024 * 1024;

/** Builds of one day whose log is there (or never was any) and that nobody writes to; $1 and $2 are the day and the next one. */
const OF_DAY = `queued_at >= $1 AND queued_at < $2 AND log_expired_at IS NULL`;
/** Nobody writes to it any more, and it has a line, as far as the row tells: an earlier attempt may have left some. */
const HAS_ENDED_LOG = `status <> 'IN_PROGRESS' AND (log_line_count IS DISTINCT FROM 0 OR attempt > 1)`;

export class LogExpiry {
  /** Days on which some logs stay: looked at again when their next log goes, or when a policy changed. */
  private readonly settled = new Map<string, { until: number; mark: string }>();

  constructor(private readonly db: Database) {}

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
    if (policies.all().every((policy) => keepsLogOf(day, policy, now))) return true;
    const seen = this.settled.get(name);
    return seen !== undefined && seen.mark === policies.mark && now.getTime() < seen.until;
  }

  private async expireDay(
    partition: LogPartition,
    policies: Policies,
    now: Date,
    signal: AbortSignal,
  ): Promise<Taken & { dropped: boolean }> {
    const { day } = partition;
    const { names, running } = await this.projectsOf(day);
    const keepers = names.filter((name) => keepsLogOf(day, policies.of(name), now));
    if (keepers.length > 0 || running) {
      const taken = await inBatches(signal, () => this.deleteSome(day, keepers));
      if (!running) this.settle(partition, keepers, policies);
      return { ...taken, dropped: false };
    }
    const marked = await inBatches(signal, () => this.markSome(day));
    const bytes = await dropLogPartition(this.db, partition);
    this.settled.delete(partition.name);
    return { items: marked.items, bytes, dropped: true };
  }

  private settle({ name, day }: LogPartition, keepers: string[], policies: Policies): void {
    const times = keepers.map((keeper) => logGoesAt(day, policies.of(keeper))?.getTime() ?? Infinity);
    this.settled.set(name, { until: Math.min(...times), mark: policies.mark });
  }

  /** Projects with a log of that day, and whether one of its builds is still in progress. */
  private async projectsOf(day: Date): Promise<{ names: string[]; running: boolean }> {
    const { rows } = await this.db.query<{ name: string; running: boolean }>(
      `SELECT project_name AS name, bool_or(status = 'IN_PROGRESS') AS running FROM build WHERE ${OF_DAY} GROUP BY project_name`,
      bounds(day),
    );
    return { names: rows.map((row) => row.name), running: rows.some((row) => row.running) };
  }

  /** All of the day go. A log without a line needs no mark. */
  private async markSome(day: Date): Promise<Taken> {
    const { rowCount } = await this.db.query(
      `UPDATE build SET log_expired_at = now(), version = version + 1 WHERE id IN (
         SELECT id FROM build WHERE ${OF_DAY} AND ${HAS_ENDED_LOG} LIMIT ${MARK_BATCH}
       )`,
      bounds(day),
    );
    return { items: rowCount ?? 0, bytes: 0 };
  }

  /** Some of the day stay: the others' logs are marked and deleted in one statement. */
  private async deleteSome(day: Date, keepers: string[]): Promise<Taken> {
    const { rows } = await this.db.query<{ items: number; bytes: string }>(
      `WITH going AS (
         SELECT id, sum(log_byte_count) OVER (ORDER BY id) - log_byte_count AS before FROM (
           SELECT id, coalesce(log_byte_count, 0) AS log_byte_count FROM build
           WHERE ${OF_DAY} AND ${HAS_ENDED_LOG} AND NOT project_name = ANY($4)
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
      [...bounds(day), dayText(day), keepers],
    );
    return { items: rows[0]?.items ?? 0, bytes: Number(rows[0]?.bytes ?? 0) };
  }
}

function bounds(day: Date): [string, string] {
  return [day.toISOString(), new Date(day.getTime() + DAY_MS).toISOString()];
}
