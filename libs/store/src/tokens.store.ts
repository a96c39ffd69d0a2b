// API tokens. A token is `kiln_` and 32 random bytes in base64url; only its SHA-256 is stored.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Database } from './database.js';

const TOKEN_PREFIX = 'kiln_';
const TOKEN_BYTES = 32;
/** lastUsedAt is no truer than this, so that a busy token does not write a row for each request. */
const LAST_USED_MS = 60_000;

export class TokensStore {
  constructor(private readonly db: Database) {}

  /** Makes a token. Out: its id and the token itself, which can never be read again. */
  async create(name: string, expiresAt?: Date): Promise<{ id: string; token: string }> {
    const token = `${TOKEN_PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`;
    const id = randomUUID();
    await this.db.models((prisma) =>
      prisma.apiToken.create({ data: { id, name, hash: hashOf(token), expiresAt: expiresAt ?? null } }),
    );
    return { id, token };
  }

  /** Whose token it is; null when it is unknown, revoked or expired (by the database's clock). */
  async find(token: string): Promise<{ id: string; name: string } | null> {
    const { rows } = await this.db.query<{ id: string; name: string; stale: boolean }>(
      `SELECT id, name, (last_used_at IS NULL OR last_used_at < now() - $2 * interval '1 millisecond') AS stale
       FROM api_token WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
      [Buffer.from(hashOf(token)), LAST_USED_MS],
    );
    const row = rows[0];
    if (row === undefined) return null;
    if (row.stale) await this.db.query('UPDATE api_token SET last_used_at = now() WHERE id = $1', [row.id]);
    return { id: row.id, name: row.name };
  }

  /** Makes this very token known under a name and valid, whatever became of it before; idempotent. */
  async ensure(name: string, token: string): Promise<void> {
    const hash = hashOf(token);
    await this.db.models((prisma) =>
      prisma.apiToken.upsert({
        where: { hash },
        create: { id: randomUUID(), name, hash },
        update: { name, revokedAt: null, expiresAt: null },
      }),
    );
  }

  /** Ends a token. Out: false when there is none, or it was revoked already. */
  async revoke(id: string): Promise<boolean> {
    const { rowCount } = await this.db.query(
      'UPDATE api_token SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL',
      [id],
    );
    return rowCount === 1;
  }
}

function hashOf(token: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(token, 'utf8').digest());
}
