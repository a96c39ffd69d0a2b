// Idempotency keys: the first request under a key does the work, the same request again gets its answer.
import { createHash } from 'node:crypto';
import { Refusal } from '#core/errors.js';
import type { Database } from './database.js';
import { storedJson } from './stored-json.js';

/** Who asked, what for, and under which key. */
export interface IdempotencyPlace {
  principal: string;
  route: string;
  key: string;
}

/**
 * `id`: a UUID that belongs to this use of the key. What is created under it is created once, by whichever request comes first:
 * the process of the first one may have died before it could answer.
 */
export type IdempotencyState =
  { state: 'new'; id: string } | { state: 'running'; id: string } | { state: 'done'; status: number; body: unknown };

export class IdempotencyStore {
  constructor(private readonly db: Database) {}

  /**
   * Takes the key for this request. One of several at the same moment gets `new` and must call finish or abandon; the others get
   * `running`, later ones `done` with the stored answer. A key older than `maxAgeMs` counts as unused.
   * Errors: Refusal IDEMPOTENCY_MISMATCH when another request was made under the key.
   */
  async begin(request: IdempotencyPlace & { requestHash: string; maxAgeMs: number }): Promise<IdempotencyState> {
    const place = [request.principal, request.route, request.key];
    const taken = await this.db.query<{ at: string }>(
      `INSERT INTO idempotency_key (principal, route, key, request_hash) VALUES ($1, $2, $3, $4)
       ON CONFLICT (principal, route, key) DO UPDATE
         SET request_hash = excluded.request_hash, response_status = NULL, response_body = NULL, created_at = now()
         WHERE idempotency_key.created_at < now() - $5 * interval '1 millisecond'
       RETURNING extract(epoch FROM created_at)::text AS at`,
      [...place, request.requestHash, request.maxAgeMs],
    );
    if (taken.rows[0] !== undefined) return { state: 'new', id: idOfUse(place, taken.rows[0].at) };
    const { rows } = await this.db.query<{ hash: string; status: number | null; body: unknown; at: string }>(
      `SELECT request_hash AS hash, response_status AS status, response_body AS body,
         extract(epoch FROM created_at)::text AS at
       FROM idempotency_key WHERE principal = $1 AND route = $2 AND key = $3`,
      place,
    );
    const row = rows[0];
    if (row === undefined) return this.begin(request); // abandoned between the two statements
    if (row.hash !== request.requestHash) {
      throw new Refusal('IDEMPOTENCY_MISMATCH', 'the Idempotency-Key was used for another request', {
        details: { key: request.key },
      });
    }
    return row.status === null
      ? { state: 'running', id: idOfUse(place, row.at) }
      : { state: 'done', status: row.status, body: row.body };
  }

  /** Stores the answer of the request that got `new`. */
  async finish(request: IdempotencyPlace & { status: number; body: unknown }): Promise<void> {
    await this.db.query(
      `UPDATE idempotency_key SET response_status = $4, response_body = $5::jsonb WHERE principal = $1 AND route = $2 AND key = $3`,
      [request.principal, request.route, request.key, request.status, storedJson(request.body ?? null)],
    );
  }

  /** Frees the key of a request that got `new` and did nothing; an answer already stored stays. */
  async abandon(request: IdempotencyPlace): Promise<void> {
    await this.db.query(
      'DELETE FROM idempotency_key WHERE principal = $1 AND route = $2 AND key = $3 AND response_status IS NULL',
      [request.principal, request.route, request.key],
    );
  }

  /** Deletes keys older than `maxAgeMs` at `now`. Out: how many. */
  async expire(now: Date, maxAgeMs: number): Promise<number> {
    const { rowCount } = await this.db.query('DELETE FROM idempotency_key WHERE created_at < $1', [
      new Date(now.getTime() - maxAgeMs).toISOString(),
    ]);
    return rowCount ?? 0;
  }
}

/** A UUID (version 8: of our own making) out of the key and the moment at which this use of it began. */
function idOfUse(place: readonly string[], at: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([...place, at]))
    .digest();
  hash[6] = (hash.readUInt8(6) & 0x0f) | 0x80;
  hash[8] = (hash.readUInt8(8) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
