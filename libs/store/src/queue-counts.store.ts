// How much runs and waits, in one statement; for the queue's overview and the metrics.
import type { BuildStatus } from '#core/phase.js';
import type { Database } from './database.js';

export interface QueueCounts {
  waiting: number;
  running: number;
  /** 0 when nothing waits. */
  oldestWaitingSeconds: number;
}

export class QueueCountsStore {
  constructor(private readonly database: Database) {}

  /** Errors: Fault DATABASE_UNAVAILABLE. */
  async read(): Promise<QueueCounts> {
    const { rows } = await this.database.query<{ waiting: string; running: string; oldest: string | null }>(
      `SELECT count(*) FILTER (WHERE current_phase = 'QUEUED') AS waiting,
              count(*) FILTER (WHERE current_phase <> 'QUEUED') AS running,
              extract(epoch FROM now() - min(coalesce(requeued_at, queued_at)) FILTER (WHERE current_phase = 'QUEUED')) AS oldest
         FROM build WHERE status = 'IN_PROGRESS'`,
    );
    const [row] = rows;
    return {
      waiting: Number(row?.waiting ?? 0),
      running: Number(row?.running ?? 0),
      oldestWaitingSeconds: Math.max(0, Number(row?.oldest ?? 0)),
    };
  }

  /** Builds that were asked for since a time, by status. Errors: Fault DATABASE_UNAVAILABLE. */
  async byStatusSince(since: Date): Promise<Partial<Record<BuildStatus, number>>> {
    const { rows } = await this.database.query<{ status: BuildStatus; count: string }>(
      'SELECT status, count(*) AS count FROM build WHERE queued_at >= $1 GROUP BY status',
      [since],
    );
    return Object.fromEntries(rows.map(({ status, count }) => [status, Number(count)]));
  }
}
