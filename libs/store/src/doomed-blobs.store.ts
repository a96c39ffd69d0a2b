// What is to be deleted from the blob store. Whoever gives bytes up writes it here in the same transaction; the bytes go afterwards, by
// the same process or by any other, as often as it takes. So no crash leaves a row without bytes, nor bytes that nobody knows of.
import type { Database, Queryable } from './database.js';

/** Bytes stay for so long after their row is gone, so that a download or a restore that has begun can end. */
export const DOOMED_GRACE_MS = 15 * 60_000;

export interface DoomedBlob {
  /** A key, or a prefix that ends in `/`. */
  location: string;
  /** Found without a row: must be looked for again before it goes. */
  orphan: boolean;
}

/** Writes down, in the caller's transaction, that these keys and prefixes go when `graceMs` have passed. */
export async function doom(
  tx: Queryable,
  locations: readonly string[],
  graceMs: number,
  orphan = false,
): Promise<void> {
  if (locations.length === 0) return;
  await tx.query(
    `INSERT INTO doomed_blob (location, due_at, orphan) SELECT unnest($1::text[]), now() + $2 * interval '1 millisecond', $3
     ON CONFLICT (location) DO NOTHING`,
    [locations, graceMs, orphan],
  );
}

export class DoomedBlobsStore {
  constructor(private readonly db: Database) {}

  doom(locations: readonly string[], graceMs: number, orphan = false): Promise<void> {
    return doom(this.db, locations, graceMs, orphan);
  }

  /** Those whose time has come, the longest due first. */
  async due(limit: number): Promise<DoomedBlob[]> {
    const { rows } = await this.db.query<DoomedBlob & Record<string, unknown>>(
      'SELECT location, orphan FROM doomed_blob WHERE due_at <= now() ORDER BY due_at, location LIMIT $1',
      [limit],
    );
    return rows;
  }

  /** The bytes are gone, or are somebody's after all. */
  async done(locations: readonly string[]): Promise<void> {
    await this.db.query('DELETE FROM doomed_blob WHERE location = ANY($1)', [locations]);
  }

  /** Tried again later, behind the others: the blob store did not do it. */
  async putOff(location: string, ms: number): Promise<void> {
    await this.db.query(`UPDATE doomed_blob SET due_at = now() + $2 * interval '1 millisecond' WHERE location = $1`, [
      location,
      ms,
    ]);
  }
}
