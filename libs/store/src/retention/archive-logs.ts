// Archives the sealed logs of days that are due, so that the partitions of those days can go though the logs are kept. Which days: those of
// a certain age, and those whose partition is mostly dead space, because most of its logs have expired and a few are kept longer.
import { archivesLogOf, keepsLogOf } from '#core/retention.js';
import { Fault } from '#core/errors.js';
import type { ArchiveBlobs } from '../archive/archive-blobs.js';
import type { Database } from '../database.js';
import { dayText, logPartitions, type LogPartition } from '../log-partitions.js';
import { type Archivable, archiveBuild } from './archive-build.js';
import { dayBounds, type DayPart, ENDED_LOG_HERE, keepersOf, logsOfDay, nextGoesAt, OF_DAY } from './logs-of-day.js';
import { inBatches, NOTHING, pause, type Taken } from './pace.js';
import type { Policies } from './policies.js';
import { SettledDays } from './settled-days.js';

/** Builds that are looked up at once. */
const LOOK_BATCH = 64;
/** Small logs that are on their way at once: most of the time goes by in the blob store, not in the database. */
const AT_ONCE = 4;
const SMALL_LOG_BYTES = 1024 * 1024;
/** A round takes no new logs after this, so that the rest of the cleanup has its turn; the next one goes on. */
export const ARCHIVE_ROUND_MS = 10 * 60_000;
/** Archived builds whose chunks are deleted at once, where their partition cannot go, and the text in them, but for the last one. */
const CLEAR_BATCH = 50;
const CLEAR_BYTES = 256 * 1024 * 1024;

export interface ArchiveOptions {
  blobs: ArchiveBlobs;
  /** Age in whole UTC days from which on sealed logs are archived; 0: none are. */
  afterDays: number;
}

/**
 * What a round did. `failure`: what kept it from more. A log that cannot be archived for a reason of its own stays where it is, and the
 * others go on; trouble with the blob store or the database as a whole ends the round.
 */
export type Archived = Taken & { failure: unknown };

export class LogArchiving {
  /** Days that are not worth it yet. */
  private readonly settled = new SettledDays();
  /** Days whose partition cannot go, and of which no chunk of an archived log is left. */
  private readonly cleared = new Set<string>();

  /** In: `emptied` gets the names of partitions out of which all was archived that is kept: LogExpiry takes them away. */
  constructor(
    private readonly db: Database,
    private readonly options: ArchiveOptions,
    private readonly emptied: Set<string>,
  ) {}

  /** One round. Out: logs, and bytes of their objects. Errors: the signal's reason; anything else is told as `failure`. */
  async archive(policies: Policies, now: Date, signal: AbortSignal): Promise<Archived> {
    const total: Archived = { ...NOTHING, failure: null };
    if (this.options.afterDays === 0) return total;
    const until = performance.now() + ARCHIVE_ROUND_MS;
    try {
      for (const partition of await logPartitions(this.db)) {
        signal.throwIfAborted();
        const keepers = await this.keepersDue(partition, policies, now);
        if (keepers === null) continue;
        if (!(await this.archiveDay(partition, keepers, { total, until, signal }))) break;
        await this.endDay(partition, policies, now, signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      total.failure ??= error;
    }
    return total;
  }

  /** Names of the projects whose logs of that day are to be archived, or null when it is not time yet. */
  private async keepersDue({ name, day }: LogPartition, policies: Policies, now: Date): Promise<string[] | null> {
    const old = archivesLogOf(day, this.options.afterDays, now);
    if (!old && policies.all().every((policy) => keepsLogOf(day, policy, now))) return null;
    if (!old && this.settled.has(name, policies.mark, now)) return null;
    const parts = await logsOfDay(this.db, day);
    const keepers = keepersOf(parts, day, policies, now);
    if (!old && !holdBack(keepers, parts)) {
      this.settled.note(name, policies.mark, nextGoesAt(keepers, day, policies));
      return null;
    }
    return keepers.filter(({ logs }) => logs > 0).map((part) => part.name);
  }

  /** Archives what these projects keep of a day, a few logs at a time. Out: false when the round's time is over before that. */
  private async archiveDay({ day }: LogPartition, keepers: string[], round: Round): Promise<boolean> {
    if (keepers.length === 0) return true;
    for (let after: Look | null = null; ;) {
      const found: Look[] = await this.look(day, keepers, after);
      for (const group of groupsOf(found)) {
        round.signal.throwIfAborted();
        if (performance.now() > round.until) return false;
        const began = performance.now();
        await this.archiveSome(group, round);
        await pause(performance.now() - began, round.signal);
      }
      after = found.at(-1) ?? null;
      if (after === null || found.length < LOOK_BATCH) return true;
    }
  }

  /** Errors: of those that failed for a reason that is not their own, the first. */
  private async archiveSome(builds: readonly Look[], { total, signal }: Round): Promise<void> {
    const ended = await Promise.allSettled(
      builds.map((build) => archiveBuild(this.db, this.options.blobs, build, signal)),
    );
    const reasons: unknown[] = [];
    for (const one of ended) {
      if (one.status === 'rejected') reasons.push(one.reason);
      else if (one.value !== null) {
        total.items += 1;
        total.bytes += one.value;
      }
    }
    const isOwn = (reason: unknown): boolean => reason instanceof Fault && reason.code === 'BLOB_CORRUPT';
    total.failure ??= reasons.find(isOwn) ?? null;
    if (!reasons.every(isOwn)) throw reasons.find((reason) => !isOwn(reason));
  }

  /** Sealed logs of a day that lie in the database, of all attempts, in the order of their builds. */
  private async look(day: Date, keepers: string[], after: Look | null): Promise<Look[]> {
    const [from, to] = dayBounds(day);
    const at = after?.at.toISOString() ?? from;
    const { rows } = await this.db.query<{ id: string; attempt: number; at: Date; bytes: string }>(
      `SELECT id, attempt, queued_at AS at,
         log_byte_count + (SELECT coalesce(sum(a.log_byte_count), 0) FROM build_attempt a WHERE a.build_id = build.id) AS bytes
       FROM build
       WHERE ${OF_DAY} AND ${ENDED_LOG_HERE} AND log_sha256 IS NOT NULL AND project_name = ANY($3)
         AND NOT EXISTS (SELECT 1 FROM build_attempt a WHERE a.build_id = build.id AND a.log_sha256 IS NULL)
         AND (queued_at, id) > ($4::timestamptz, $5::uuid)
       ORDER BY queued_at, id LIMIT ${LOOK_BATCH}`,
      [at, to, keepers, at, after?.id ?? NO_ID],
    );
    return rows.map(({ id, attempt, at, bytes }) => ({ id, attempt, at, bytes: Number(bytes), day: dayText(day) }));
  }

  /** The partition goes when nothing that is kept lies in it; when something has to stay, the chunks of what was archived go by themselves. */
  private async endDay({ name, day }: LogPartition, policies: Policies, now: Date, signal: AbortSignal): Promise<void> {
    const parts = await logsOfDay(this.db, day);
    const left = keepersOf(parts, day, policies, now).some(({ logs }) => logs > 0);
    if (!left && !parts.some(({ running }) => running)) {
      this.emptied.add(name);
      this.cleared.delete(name);
    } else if (!this.cleared.has(name)) {
      await this.clearDay(day, signal);
      this.cleared.add(name);
    }
  }

  private async clearDay(day: Date, signal: AbortSignal): Promise<void> {
    const [from, to] = dayBounds(day);
    let after = NO_ID;
    await inBatches(signal, async () => {
      const { rows } = await this.db.query<{ id: string }>(
        `SELECT id FROM (
           SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM (
             SELECT id, coalesce(log_byte_count, 0) AS bytes FROM build
             WHERE ${OF_DAY} AND log_archived AND id > $3 ORDER BY id LIMIT ${CLEAR_BATCH}
           ) next
         ) going WHERE before < ${CLEAR_BYTES} ORDER BY id`,
        [from, to, after],
      );
      const ids = rows.map(({ id }) => id);
      await this.db.query('DELETE FROM log_chunk WHERE day = $1::date AND build_id = ANY($2::uuid[])', [
        dayText(day),
        ids,
      ]);
      after = ids.at(-1) ?? after;
      return { items: ids.length, bytes: 0 };
    });
  }
}

interface Look extends Archivable {
  at: Date;
  /** Text of all attempts. */
  bytes: number;
}

interface Round {
  total: Archived;
  /** By performance.now(). */
  until: number;
  signal: AbortSignal;
}

const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Whether what is kept of a day holds back as much as itself, or more, of what is not. */
function holdBack(keepers: readonly DayPart[], parts: readonly DayPart[]): boolean {
  const kept = keepers.reduce((sum, { bytes }) => sum + bytes, 0);
  const all = parts.reduce((sum, { allBytes }) => sum + allBytes, 0);
  return kept > 0 && all - kept >= kept;
}

/** Small logs go together, a large one by itself. */
function groupsOf(builds: readonly Look[]): Look[][] {
  const groups: Look[][] = [];
  let small: Look[] = [];
  for (const build of builds) {
    if (build.bytes > SMALL_LOG_BYTES) groups.push([build]);
    else {
      small.push(build);
      if (small.length < AT_ONCE) continue;
      groups.push(small);
      small = [];
    }
  }
  return small.length === 0 ? groups : [...groups, small];
}
