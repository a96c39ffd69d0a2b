// Built-in SECRETS_MANAGER: named values, sealed with the master key before they reach the database.
import { Refusal } from '#core/errors.js';
import type { SecretStage } from '#core/secret-reference.js';
import type { Database } from './database.js';
import { type Page, readCursor, toPage } from './page.js';
import { type MasterKey, seal, unseal } from './seal.js';

/** Versions before the present one that are kept; AWS keeps about as many. */
export const KEPT_SECRET_VERSIONS = 100;

export interface SecretInfo {
  name: string;
  /** Counts up from 1 with each put. */
  version: number;
  /** UUID of the present version. */
  versionId: string;
  createdAt: Date;
  updatedAt: Date;
}

const OF_STAGE: Readonly<Record<SecretStage, string>> = {
  AWSCURRENT: 'SELECT sealed FROM secret WHERE name = $1',
  AWSPREVIOUS: 'SELECT sealed FROM secret_version WHERE name = $1 ORDER BY version DESC LIMIT 1',
};
// compared as text: what a reference names need be no UUID
const OF_VERSION = `
SELECT sealed FROM secret WHERE name = $1 AND version_id::text = $2
UNION ALL SELECT sealed FROM secret_version WHERE name = $1 AND version_id::text = $2`;

export class SecretsStore {
  constructor(
    private readonly db: Database,
    private readonly key: MasterKey,
  ) {}

  /** Sets a value; a version more than the one before, which becomes AWSPREVIOUS. */
  async put(name: string, value: string): Promise<{ name: string; version: number; versionId: string }> {
    const sealed = seal(this.key, { kind: 'secret', name }, value);
    return this.db.transaction(async (tx) => {
      // one at a time for each name, also while there is no row to lock yet
      await tx.query(`SELECT pg_advisory_xact_lock(hashtext('secret'), hashtext($1))`, [name]);
      await tx.query(
        `INSERT INTO secret_version (name, version, version_id, sealed, created_at)
         SELECT name, version, version_id, sealed, updated_at FROM secret WHERE name = $1`,
        [name],
      );
      const { rows } = await tx.query<{ name: string; version: number; versionId: string }>(
        `INSERT INTO secret (name, sealed) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET sealed = EXCLUDED.sealed, version = secret.version + 1,
           version_id = EXCLUDED.version_id, updated_at = clock_timestamp()
         RETURNING name, version, version_id AS "versionId"`,
        [name, sealed],
      );
      const written = rows[0]!;
      await tx.query('DELETE FROM secret_version WHERE name = $1 AND version < $2', [
        name,
        written.version - KEPT_SECRET_VERSIONS,
      ]);
      return written;
    });
  }

  /**
   * The value of the present version, or of the one that `which` names: by stage, or by id.
   * Errors: Refusal SECRET_NOT_FOUND, also for a version; Fault INTERNAL when it was sealed with another master key.
   */
  async value(name: string, which: { stage?: SecretStage; versionId?: string } = {}): Promise<string> {
    const { stage = 'AWSCURRENT', versionId } = which;
    const { rows } = await this.db.query<{ sealed: Uint8Array }>(
      versionId === undefined ? OF_STAGE[stage] : OF_VERSION,
      versionId === undefined ? [name] : [name, versionId.toLowerCase()],
    );
    if (rows[0] !== undefined) return unseal(this.key, { kind: 'secret', name }, rows[0].sealed);
    const asked = versionId ?? which.stage;
    const version = asked === undefined ? '' : ` with a version ${asked}`;
    throw new Refusal('SECRET_NOT_FOUND', `there is no secret named ${name}${version}`, { details: { name } });
  }

  /** A page by name, without values. Errors: Refusal INVALID_INPUT (cursor). */
  async list(cursor: string | undefined, limit: number): Promise<Page<SecretInfo>> {
    const after = readCursor(cursor, 1)?.[0];
    const rows = await this.db.models((prisma) =>
      prisma.secret.findMany({
        ...(after === undefined ? {} : { where: { name: { gt: after } } }),
        select: { name: true, version: true, versionId: true, createdAt: true, updatedAt: true },
        orderBy: { name: 'asc' },
        take: limit + 1,
      }),
    );
    return toPage(
      rows,
      limit,
      (row) => row,
      (row) => [row.name],
    );
  }

  /** Out: false when there was none. */
  async delete(name: string): Promise<boolean> {
    return (await this.db.models((prisma) => prisma.secret.deleteMany({ where: { name } }))).count > 0;
  }
}
