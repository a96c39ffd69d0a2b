// What each part of the storage takes, as the cleanup last measured it: for operators.
import type { Database } from './database.js';

export interface StorageUse {
  /** `builds`, `logs`, `archive`, `artifacts`, `caches`, `uploads`; of a host: `mirrors`, `images`, `temp`. */
  part: string;
  /** Id of the host's data folder; empty for what all hosts share. */
  host: string;
  items: number;
  usedBytes: number;
  /** Null: no budget. */
  budgetBytes: number | null;
  measuredAt: Date;
}

/** A part of a host that was not measured for so long is of a host that is gone. */
const FORGOTTEN_DAYS = 7;

export class StorageUseStore {
  constructor(private readonly db: Database) {}

  async write(use: Omit<StorageUse, 'measuredAt'>): Promise<void> {
    await this.db.query(
      `INSERT INTO storage_use (part, host, items, used_bytes, budget_bytes, measured_at) VALUES ($1, $2, $3, $4, $5, now())
       ON CONFLICT (part, host) DO UPDATE SET items = excluded.items, used_bytes = excluded.used_bytes,
         budget_bytes = excluded.budget_bytes, measured_at = excluded.measured_at`,
      [use.part, use.host, use.items, use.usedBytes, use.budgetBytes],
    );
  }

  /** All parts, the shared ones first. */
  async list(): Promise<StorageUse[]> {
    const { rows } = await this.db.query<
      Record<'part' | 'host' | 'items' | 'used', string> & { budget: string | null; at: Date }
    >(
      `SELECT part, host, items, used_bytes AS used, budget_bytes AS budget, measured_at AS at FROM storage_use
       WHERE measured_at > now() - interval '${FORGOTTEN_DAYS} days' ORDER BY host, part`,
    );
    return rows.map((row) => ({
      part: row.part,
      host: row.host,
      items: Number(row.items),
      usedBytes: Number(row.used),
      budgetBytes: row.budget === null ? null : Number(row.budget),
      measuredAt: row.at,
    }));
  }

  async forgetOld(): Promise<number> {
    const { rowCount } = await this.db.query(
      `DELETE FROM storage_use WHERE measured_at < now() - interval '${FORGOTTEN_DAYS} days'`,
    );
    return rowCount ?? 0;
  }

  /** Measures what lies in the database and, by its rows, in the blob store. Counts of builds are Postgres' estimate. */
  async measureShared(): Promise<{ part: string; items: number; usedBytes: number }[]> {
    const { rows } = await this.db.query<{ part: string; items: string; bytes: string }>(
      `SELECT 'builds' AS part, greatest(reltuples, 0)::bigint AS items,
         (SELECT sum(pg_total_relation_size(c)) FROM unnest(ARRAY['build', 'build_phase', 'build_event', 'build_artifact']::regclass[]) c) AS bytes
       FROM pg_class WHERE oid = 'build'::regclass
       UNION ALL SELECT 'logs', count(*), coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits
         WHERE inhparent = 'log_chunk'::regclass
       UNION ALL SELECT 'archive', count(*), coalesce(sum(size_bytes), 0) FROM log_archive
       UNION ALL SELECT 'artifacts', count(*), coalesce(sum(size_bytes), 0) FROM build_artifact WHERE expired_at IS NULL
       UNION ALL SELECT 'caches', count(*), coalesce(sum(size_bytes), 0) FROM cache_entry
       UNION ALL SELECT 'uploads', count(*), coalesce(sum(size_bytes), 0) FROM source_upload`,
    );
    return rows.map(({ part, items, bytes }) => ({ part, items: Number(items), usedBytes: Number(bytes) }));
  }
}
