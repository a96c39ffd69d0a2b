// Cache entries: what lies in the blob store for which project and key. The worker's CacheStore reads and writes the bytes.
import { randomUUID } from 'node:crypto';
import type { ProjectId } from '#core/ids.js';
import type { Database } from './database.js';
import { isUniqueViolation } from './database-errors.js';
import type { CacheEntry as CacheEntryModel } from './generated/client.js';

export interface CacheEntry {
  id: string;
  projectId: ProjectId;
  key: string;
  /** Hash of the list of paths; an entry of another version does not fit. */
  version: string;
  sizeBytes: number;
  sha256: string;
  /** Key in the blob store. */
  location: string;
  createdAt: Date;
  lastUsedAt: Date;
}

export interface NewCacheEntry {
  projectId: ProjectId;
  key: string;
  version: string;
  sizeBytes: number;
  sha256: string;
  location: string;
}

export class CacheEntriesStore {
  constructor(private readonly db: Database) {}

  /** The entry of exactly this key and version, or null. */
  async find(projectId: ProjectId, key: string, version: string): Promise<CacheEntry | null> {
    const row = await this.db.models((prisma) =>
      prisma.cacheEntry.findUnique({ where: { projectId_key_version: { projectId, key, version } } }),
    );
    return row === null ? null : toEntry(row);
  }

  /** The newest entry whose key begins with `prefix` (characters as they are, no patterns), or null. */
  async findByPrefix(projectId: ProjectId, prefix: string, version: string): Promise<CacheEntry | null> {
    const { rows } = await this.db.query<{ id: string }>(
      `SELECT id FROM cache_entry WHERE project_id = $1 AND version = $3 AND starts_with(key, $2)
       ORDER BY created_at DESC, id LIMIT 1`,
      [projectId, prefix, version],
    );
    const id = rows[0]?.id;
    if (id === undefined) return null;
    const row = await this.db.models((prisma) => prisma.cacheEntry.findUnique({ where: { id } }));
    return row === null ? null : toEntry(row);
  }

  /** Adds an entry. Out: null when one is there already, which stays (keyed entries never change). */
  async add(entry: NewCacheEntry): Promise<CacheEntry | null> {
    return this.db.models(async (prisma) => {
      try {
        return toEntry(await prisma.cacheEntry.create({ data: { id: randomUUID(), ...entry } }));
      } catch (error) {
        if (isUniqueViolation(error)) return null;
        throw error;
      }
    });
  }

  /** Puts an entry in the place of the one of the same key and version. Out: location of the old bytes, null when there was none. */
  async replace(entry: NewCacheEntry): Promise<{ replacedLocation: string | null }> {
    return this.db.transaction(async (tx) => {
      const { rows } = await tx.query<{ location: string }>(
        'SELECT location FROM cache_entry WHERE project_id = $1 AND key = $2 AND version = $3 FOR UPDATE',
        [entry.projectId, entry.key, entry.version],
      );
      await tx.query(
        `INSERT INTO cache_entry (id, project_id, key, version, size_bytes, sha256, location)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (project_id, key, version) DO UPDATE SET size_bytes = excluded.size_bytes, sha256 = excluded.sha256,
           location = excluded.location, created_at = now(), last_used_at = now()`,
        [randomUUID(), entry.projectId, entry.key, entry.version, entry.sizeBytes, entry.sha256, entry.location],
      );
      return { replacedLocation: rows[0]?.location ?? null };
    });
  }

  /** Remembers that the entry was used now; one that is gone is fine. */
  async touch(id: string): Promise<void> {
    await this.db.query('UPDATE cache_entry SET last_used_at = now() WHERE id = $1', [id]);
  }

  /** All entries of a project, least recently used first. */
  async listByProject(projectId: ProjectId): Promise<CacheEntry[]> {
    const rows = await this.db.models((prisma) =>
      prisma.cacheEntry.findMany({ where: { projectId }, orderBy: [{ lastUsedAt: 'asc' }, { id: 'asc' }] }),
    );
    return rows.map(toEntry);
  }

  /** Out: false when there was none. */
  async delete(id: string): Promise<boolean> {
    return (await this.db.models((prisma) => prisma.cacheEntry.deleteMany({ where: { id } }))).count > 0;
  }

  /** Forgets everything cached for a project. Out: where the bytes lie, for the caller to delete. */
  async deleteByProject(projectId: ProjectId): Promise<string[]> {
    const { rows } = await this.db.query<{ location: string }>(
      'DELETE FROM cache_entry WHERE project_id = $1 RETURNING location',
      [projectId],
    );
    return rows.map((row) => row.location);
  }
}

function toEntry(row: CacheEntryModel): CacheEntry {
  return { ...row, projectId: row.projectId as ProjectId, sizeBytes: Number(row.sizeBytes) };
}
