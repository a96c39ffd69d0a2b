// Workers as they report themselves.
import { asWorkerId, type WorkerId } from '#core/ids.js';
import type { WorkerInfo } from '#core/worker.js';
import type { Database } from './database.js';

/** A worker that was not heard of for so long is no longer listed. */
const LISTED_MS = 600_000;

export class WorkersStore {
  constructor(private readonly db: Database) {}

  /** Writes down that the worker is there, and how it is. `seenAt` becomes the database's now, so that all are told by one clock. */
  async beat(worker: WorkerInfo): Promise<void> {
    await this.db.query(
      `INSERT INTO worker (id, hostname, version, slots, running, state, message, started_at, fleet, labels, host, seen_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())
       ON CONFLICT (id) DO UPDATE SET hostname = excluded.hostname, version = excluded.version, slots = excluded.slots,
         running = excluded.running, state = excluded.state, message = excluded.message, fleet = excluded.fleet,
         labels = excluded.labels, host = excluded.host, seen_at = excluded.seen_at`,
      [
        worker.id,
        worker.hostname,
        worker.version,
        worker.slots,
        worker.running,
        worker.state,
        worker.message,
        worker.startedAt.toISOString(),
        worker.fleet,
        worker.labels,
        worker.host,
      ],
    );
  }

  /** Workers seen in the last 10 minutes, by id. */
  async list(): Promise<WorkerInfo[]> {
    const { rows } = await this.db.query<WorkerInfo & Record<string, unknown>>(
      `SELECT id, hostname, host, version, slots, fleet, labels, running, state, message, started_at AS "startedAt",
         seen_at AS "seenAt"
       FROM worker WHERE seen_at > now() - $1 * interval '1 millisecond' ORDER BY id`,
      [LISTED_MS],
    );
    return rows.map((row) => ({ ...row, id: asWorkerId(row.id) }));
  }

  /** Takes the worker off the list; none there is fine. */
  async leave(id: WorkerId): Promise<void> {
    await this.db.query('DELETE FROM worker WHERE id = $1', [id]);
  }
}
