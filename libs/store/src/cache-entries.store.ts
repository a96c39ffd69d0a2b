// Cache entries: what lies in the blob store for which space, scope and key. The worker's CacheStore reads and writes the bytes; the API
// lists and purges.
import { createHash, randomUUID } from 'node:crypto';
import { type CacheSaving, type CacheUse } from '#core/build.js';
import { type CacheScope, sharedSpaceWords, TRUSTED_SCOPE } from '#core/cache.js';
import type { ProjectId } from '#core/ids.js';
import type { ProjectCache } from '#core/project.js';
import type { Database, Queryable } from './database.js';
import { doom, DOOMED_GRACE_MS } from './doomed-blobs.store.js';
import { cursorId, cursorTime, type Page, readCursor, toPage } from './page.js';

export interface CacheEntry {
  id: string;
  /** Whose build saved it. */
  projectId: ProjectId;
  /** Who finds it: see spaceOf. */
  space: string;
  /** TRUSTED_SCOPE, or the CacheScope of the build that saved it. */
  scope: string;
  key: string;
  /** Hash of the list of paths; an entry of another version does not fit. */
  version: string;
  sizeBytes: number;
  sha256: string;
  /** Key in the blob store. */
  location: string;
  /** Folder below the build root that its project's source lay in; null: where the project's own lies. */
  sourceFolder: string | null;
  /** How often it was restored. */
  hits: number;
  createdAt: Date;
  lastUsedAt: Date;
}

export type NewCacheEntry = Omit<CacheEntry, 'id' | 'hits' | 'createdAt' | 'lastUsedAt'>;

/** Where a build looks: one space, and the scopes in the order in which they are asked. */
export interface CacheReach {
  space: string;
  scopes: readonly string[];
}

/**
 * The space of a project's entries. Those without a key are always its own; keyed ones are shared by all projects of the same
 * `cacheNamespace` and location.
 */
export function spaceOf(projectId: ProjectId, cache: ProjectCache, keyed: boolean): string {
  const words = keyed ? sharedSpaceWords(cache) : null;
  return words === null ? projectId : `shared-${createHash('sha256').update(words).digest('hex')}`;
}

/** A build's own scope, then the one that all may read. */
export function scopesOf(scope: CacheScope): string[] {
  return scope === null || scope === TRUSTED_SCOPE ? [TRUSTED_SCOPE] : [scope, TRUSTED_SCOPE];
}

export function restoredFrom(reach: CacheReach, entry: CacheEntry): NonNullable<CacheUse['restoredFrom']> {
  return entry.scope === reach.scopes[0] ? 'own' : 'base';
}

const COLUMNS = `id, project_id AS "projectId", space, scope, key, version, size_bytes AS "sizeBytes", sha256, location,
  source_folder AS "sourceFolder", hits, created_at AS "createdAt", last_used_at AS "lastUsedAt"`;

type Row = Omit<CacheEntry, 'sizeBytes'> & { sizeBytes: string } & Record<string, unknown>;

export class CacheEntriesStore {
  constructor(private readonly db: Database) {}

  /** The entry of exactly this key and version, in the first of the scopes that has one; or null. */
  async find(reach: CacheReach, key: string, version: string): Promise<CacheEntry | null> {
    const { rows } = await this.db.query<Row>(
      `SELECT ${COLUMNS} FROM cache_entry WHERE space = $1 AND scope = ANY($2::text[]) AND key = $3 AND version = $4
       ORDER BY array_position($2::text[], scope) LIMIT 1`,
      [reach.space, reach.scopes, key, version],
    );
    return rows[0] === undefined ? null : toEntry(rows[0]);
  }

  /**
   * The newest entry whose key begins with `prefix` (characters as they are, no patterns), in the first of the scopes that has one; or
   * null. Of two of the same age the longer key.
   */
  async findByPrefix(reach: CacheReach, prefix: string, version: string): Promise<CacheEntry | null> {
    const { rows } = await this.db.query<Row>(
      `SELECT ${COLUMNS} FROM cache_entry WHERE space = $1 AND scope = ANY($2::text[]) AND version = $4 AND starts_with(key, $3)
       ORDER BY array_position($2::text[], scope), created_at DESC, length(key) DESC, id LIMIT 1`,
      [reach.space, reach.scopes, prefix, version],
    );
    return rows[0] === undefined ? null : toEntry(rows[0]);
  }

  /**
   * Adds a keyed entry. `since`: when its build was claimed.
   * Out: `exists` when one is there already, which stays (keyed entries never change); `purged` when the project's cache was purged
   * after `since`, or the project is gone. Its bytes are nobody's then.
   */
  async add(entry: NewCacheEntry, since: Date): Promise<Extract<CacheSaving, 'saved' | 'exists' | 'purged'>> {
    return this.db.transaction(async (tx) => {
      if (await purgedSince(tx, entry.projectId, since, 'FOR SHARE')) return 'purged';
      const { rowCount } = await insert(tx, entry, 'ON CONFLICT (space, scope, key, version) DO NOTHING');
      return rowCount === 1 ? 'saved' : 'exists';
    });
  }

  /** Puts an entry in the place of the one of the same space, scope, key and version, whose bytes go some minutes later. Out: as add. */
  async replace(entry: NewCacheEntry, since: Date): Promise<Extract<CacheSaving, 'saved' | 'purged'>> {
    return this.db.transaction(async (tx) => {
      // one at a time for a project, so that each sees the bytes that it takes the place of
      if (await purgedSince(tx, entry.projectId, since, 'FOR NO KEY UPDATE')) return 'purged';
      const { rows } = await tx.query<{ location: string }>(
        'SELECT location FROM cache_entry WHERE space = $1 AND scope = $2 AND key = $3 AND version = $4',
        [entry.space, entry.scope, entry.key, entry.version],
      );
      await insert(
        tx,
        entry,
        `ON CONFLICT (space, scope, key, version) DO UPDATE SET size_bytes = excluded.size_bytes, sha256 = excluded.sha256,
           location = excluded.location, source_folder = excluded.source_folder, hits = 0, created_at = now(), last_used_at = now()`,
      );
      const replaced = rows.map((row) => row.location);
      await doom(tx, replaced, DOOMED_GRACE_MS);
      return 'saved';
    });
  }

  /** Remembers that the entry was restored now; one that is gone is fine. */
  async touch(id: string): Promise<void> {
    await this.db.query('UPDATE cache_entry SET last_used_at = now(), hits = hits + 1 WHERE id = $1', [id]);
  }

  /** Forgets an entry whose bytes are not there; one that has other bytes by now stays. */
  async forget({ id, location }: Pick<CacheEntry, 'id' | 'location'>): Promise<void> {
    await this.db.query('DELETE FROM cache_entry WHERE id = $1 AND location = $2', [id, location]);
  }

  /** What a project's builds saved, newest first. Errors: Refusal INVALID_INPUT for a cursor that is none. */
  async list(projectId: ProjectId, { limit, cursor }: { limit: number; cursor?: string }): Promise<Page<CacheEntry>> {
    const after = readCursor(cursor, 2);
    const { rows } = await this.db.query<Row>(
      `SELECT ${COLUMNS} FROM cache_entry WHERE project_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
       ORDER BY created_at DESC, id DESC LIMIT $4`,
      [
        projectId,
        after === null ? null : cursorTime(after[0]!, cursor!).toISOString(),
        after === null ? null : cursorId(after[1]!, cursor!),
        limit + 1,
      ],
    );
    return toPage(rows, limit, toEntry, (row) => [row.createdAt.toISOString(), row.id]);
  }

  /** Takes one entry of a project away; its bytes are doomed. Out: false when there was none. */
  async delete(projectId: ProjectId, id: string): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const gone = await deleted(tx, 'project_id = $1 AND id = $2', [projectId, id]);
      return gone.entries === 1;
    });
  }

  /**
   * Forgets everything cached for a project: what its builds saved, and what it shares by a namespace. Builds of the project that run
   * now, and may have restored some of it, save nothing. The bytes go some minutes later, so that a restore that has begun can end.
   */
  async purge(projectId: ProjectId, cache: ProjectCache): Promise<{ entries: number; bytes: number }> {
    return this.db.transaction(async (tx) => {
      await tx.query('UPDATE project SET cache_purged_at = clock_timestamp() WHERE id = $1', [projectId]);
      return deleted(tx, 'project_id = $1 OR space = $2', [projectId, spaceOf(projectId, cache, true)]);
    });
  }
}

/** Keeps a purge from coming between this and the end of the transaction. */
async function purgedSince(tx: Queryable, projectId: ProjectId, since: Date, lock: string): Promise<boolean> {
  const { rows } = await tx.query<{ purged: boolean }>(
    `SELECT coalesce(cache_purged_at >= $2, false) AS purged FROM project WHERE id = $1 ${lock}`,
    [projectId, since.toISOString()],
  );
  return rows[0]?.purged !== false;
}

function insert(tx: Queryable, entry: NewCacheEntry, onConflict: string): Promise<{ rowCount: number | null }> {
  return tx.query(
    `INSERT INTO cache_entry (id, project_id, space, scope, key, version, size_bytes, sha256, location, source_folder)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ${onConflict}`,
    [
      randomUUID(),
      entry.projectId,
      entry.space,
      entry.scope,
      entry.key,
      entry.version,
      entry.sizeBytes,
      entry.sha256,
      entry.location,
      entry.sourceFolder,
    ],
  );
}

async function deleted(tx: Queryable, where: string, values: unknown[]): Promise<{ entries: number; bytes: number }> {
  const { rows } = await tx.query<{ location: string; bytes: string }>(
    `DELETE FROM cache_entry WHERE ${where} RETURNING location, size_bytes AS bytes`,
    values,
  );
  await doom(
    tx,
    rows.map((row) => row.location),
    DOOMED_GRACE_MS,
  );
  return { entries: rows.length, bytes: rows.reduce((sum, row) => sum + Number(row.bytes), 0) };
}

function toEntry(row: Row): CacheEntry {
  return { ...row, sizeBytes: Number(row.sizeBytes) };
}
