// Retention and cleanup in the database: one verb for each part, and the lock that gives a round to one process.
import type { RetentionPolicy } from '#core/retention.js';
import type { Database } from '../database.js';
import { type ArchiveOptions, type Archived, LogArchiving } from './archive-logs.js';
import { type CacheBudgets, evictCaches } from './evict-caches.js';
import { expireArchivedLogs } from './expire-archived-logs.js';
import { expireArtifacts } from './expire-artifacts.js';
import { expireBuilds } from './expire-builds.js';
import { LogExpiry } from './expire-logs.js';
import { expireReports } from './expire-reports.js';
import { expireUploads, forgetTokens, forgetWorkers } from './old-rows.js';
import { withoutRow } from './orphan-blobs.js';
import type { Taken } from './pace.js';
import { Policies } from './policies.js';

export type { CacheBudgets } from './evict-caches.js';
export type { Taken } from './pace.js';

/** Key of the advisory lock of a round: `keep` in ASCII. */
const ROUND_LOCK = 0x6b656570;

export class RetentionStore {
  private readonly logs: LogExpiry;
  private readonly archiving: LogArchiving | null;

  /** In: the instance's policy; `archive` absent where no log is to be archived. */
  constructor(
    private readonly db: Database,
    private readonly instance: RetentionPolicy,
    archive?: ArchiveOptions,
  ) {
    const emptied = new Set<string>();
    this.logs = new LogExpiry(db, emptied);
    this.archiving = archive === undefined ? null : new LogArchiving(db, archive, emptied);
  }

  /**
   * Does `work` when no other process is in a round; a process that dies lets go. Out: false when another is.
   * It costs a connection of the pool for the length of the round.
   */
  async inRound(work: () => Promise<void>): Promise<boolean> {
    return this.db.session(async (session) => {
      const { rows } = await session.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
        ROUND_LOCK,
      ]);
      if (rows[0]?.taken !== true) return false;
      try {
        await work();
      } finally {
        await session.query('SELECT pg_advisory_unlock($1)', [ROUND_LOCK]);
      }
      return true;
    });
  }

  /** Before expireLogs, which then takes the partitions away. `items`: builds whose logs were moved; `bytes`: their objects. */
  async archiveLogs(now: Date, signal: AbortSignal): Promise<Archived> {
    if (this.archiving === null) return { items: 0, bytes: 0, failure: null };
    return this.archiving.archive(await this.policies(), now, signal);
  }

  /** Logs before builds: what goes with its day need not be deleted build by build. `items`: logs; `bytes`: disk and objects given back. */
  async expireLogs(now: Date, signal: AbortSignal): Promise<Taken & { partitions: string[] }> {
    const policies = await this.policies();
    const archived = await expireArchivedLogs(this.db, policies, now, signal);
    const { items, bytes, partitions } = await this.logs.expire(policies, now, signal);
    return { items: items + archived.items, bytes: bytes + archived.bytes, partitions };
  }

  async expireArtifacts(now: Date, signal: AbortSignal): Promise<Taken> {
    return expireArtifacts(this.db, await this.policies(), now, signal);
  }

  expireReports(now: Date, signal: AbortSignal): Promise<Taken> {
    return expireReports(this.db, now, signal);
  }

  async expireBuilds(now: Date, signal: AbortSignal): Promise<Taken> {
    return expireBuilds(this.db, await this.policies(), now, signal);
  }

  evictCaches(budgets: CacheBudgets): Promise<Taken> {
    return evictCaches(this.db, budgets);
  }

  /** Not used for so many days and named by no project; 0: kept for ever. */
  expireUploads(days: number): Promise<Taken> {
    return expireUploads(this.db, days);
  }

  forgetWorkers(): Promise<Taken> {
    return forgetWorkers(this.db);
  }

  /** Revoked, or run out, long ago. */
  forgetTokens(): Promise<Taken> {
    return forgetTokens(this.db);
  }

  /** Keys of the blob store that no row knows (yet). */
  withoutRow(keys: readonly string[]): Promise<string[]> {
    return withoutRow(this.db, keys);
  }

  private policies(): Promise<Policies> {
    return Policies.read(this.db, this.instance);
  }
}
