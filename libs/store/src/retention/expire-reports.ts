// Reports whose time is over, with their cases and files; their groups stay. Those of deleted builds go with these.
import type { Database } from '../database.js';
import { inBatches, type Taken } from './pace.js';

/** Reports that are deleted in one statement: each may have some thousand rows of its own. */
const BATCH = 100;

/** One round. Out: how many reports. */
export function expireReports(db: Database, now: Date, signal: AbortSignal): Promise<Taken> {
  return inBatches(signal, async () => {
    const { rowCount } = await db.query(
      `DELETE FROM report WHERE id IN (SELECT id FROM report WHERE expires_at < $1 ORDER BY expires_at LIMIT ${BATCH})`,
      [now.toISOString()],
    );
    return { items: rowCount ?? 0, bytes: 0 };
  });
}
