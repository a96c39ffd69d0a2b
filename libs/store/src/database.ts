// The process's way to Postgres: one pool, used by Prisma (models) and by the driver (guarded updates, log chunks) alike.
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { Fault, messageOf } from '#core/errors.js';
import { atDatabaseEdge, fromDatabaseError } from './database-errors.js';
import { PrismaClient } from './generated/client.js';

/** How long `connect` waits for Postgres to come up. */
export const CONNECT_WAIT_MS = 30_000;
/** How long `ping` waits. */
export const PING_TIMEOUT_MS = 2_000;
/** How long a call waits for a free or new connection. */
const CONNECTION_TIMEOUT_MS = 5_000;
/** No statement of ours may take longer; a lost client frees its locks by it. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** The same for an answer that never comes: the connection is given up. */
const QUERY_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;

/** What runs SQL: the pool, or the one connection of a transaction. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>;
}

/** How long a full disk is remembered after a write that met it. */
const FULL_NOTE_MS = 30_000;

export class Database {
  private fullAt: number | null = null;

  private constructor(
    readonly prisma: PrismaClient,
    readonly pool: pg.Pool,
  ) {}

  /**
   * Opens the pool and waits up to CONNECT_WAIT_MS for Postgres to answer.
   * In: `pool` = connections at most. Errors: Fault DATABASE_UNAVAILABLE; a wrong password or database name is told at once.
   */
  static async connect(settings: { url: string; pool: number }): Promise<Database> {
    const pool = new pg.Pool({
      connectionString: settings.url,
      max: settings.pool,
      keepAlive: true,
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      application_name: 'kilnyard',
    });
    // An idle connection that breaks is replaced at its next use; the call that needs it tells of trouble, not this event.
    pool.on('error', () => undefined);
    // So does one that is ended between its start and its first statement, which nobody listens to for that moment.
    pool.on('connect', (client) => client.on('error', () => undefined));
    const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
    const database = new Database(prisma, pool);
    try {
      await database.waitUntilUp();
    } catch (error) {
      await database.close();
      throw error;
    }
    return database;
  }

  /** Errors: Fault DATABASE_UNAVAILABLE within PING_TIMEOUT_MS when Postgres does not answer. */
  async ping(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new Fault('DATABASE_UNAVAILABLE', `the database did not answer within ${PING_TIMEOUT_MS} ms`, {
            retryable: true,
          }),
        );
      }, PING_TIMEOUT_MS);
    });
    try {
      await Promise.race([this.query('SELECT 1'), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** One statement by the driver. Errors: as fromDatabaseError. */
  query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<pg.QueryResult<Row>> {
    return this.atEdge(() => this.pool.query<Row>(text, values));
  }

  /** A call of Prisma's. Errors: as fromDatabaseError. */
  models<T>(work: (prisma: PrismaClient) => Promise<T>): Promise<T> {
    return this.atEdge(() => work(this.prisma));
  }

  /**
   * One transaction (READ COMMITTED) on one connection; `work` gets it and hands it on explicitly.
   * Rolled back when `work` throws. A connection that broke is thrown away. Errors: what `work` throws, as fromDatabaseError.
   * In: `first` = statements without parameters that go along with BEGIN, in its round trip.
   */
  async transaction<T>(work: (tx: Queryable) => Promise<T>, first = ''): Promise<T> {
    return this.atEdge(async () => {
      const client = await this.pool.connect();
      let broken: Error | undefined;
      const onError = (error: Error): void => {
        broken = error;
      };
      client.on('error', onError);
      try {
        await client.query(`BEGIN;${first}`);
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        // The first error is the one that counts; a rollback that fails only says that the connection is of no more use.
        await client.query('ROLLBACK').catch((rollback: Error) => {
          broken ??= rollback;
        });
        throw error;
      } finally {
        client.removeListener('error', onError);
        client.release(broken);
      }
    });
  }

  /**
   * One connection for as long as `work` takes, without a transaction: for what none may hold (a session's lock, a concurrent detach).
   * `work` takes back what it set. A connection on which something failed is thrown away. Errors: what `work` throws, as fromDatabaseError.
   */
  async session<T>(work: (session: Queryable) => Promise<T>): Promise<T> {
    return atDatabaseEdge(async () => {
      const client = await this.pool.connect();
      let broken: Error | undefined;
      const onError = (error: Error): void => {
        broken = error;
      };
      client.on('error', onError);
      try {
        return await work(client);
      } catch (error) {
        broken ??= error instanceof Error ? error : new Error(String(error));
        throw error;
      } finally {
        client.removeListener('error', onError);
        client.release(broken);
      }
    });
  }

  async close(): Promise<void> {
    await this.prisma.$disconnect();
    if (!this.pool.ended) await this.pool.end();
  }

  /** Whether a write failed a short while ago because Postgres' disk was full. */
  get isFull(): boolean {
    return this.fullAt !== null && performance.now() - this.fullAt < FULL_NOTE_MS;
  }

  private async atEdge<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await atDatabaseEdge(work);
    } catch (error) {
      if (error instanceof Fault && error.code === 'STORAGE_FULL') this.fullAt = performance.now();
      throw error;
    }
  }

  private async waitUntilUp(): Promise<void> {
    const giveUpAt = performance.now() + CONNECT_WAIT_MS;
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      try {
        await this.pool.query('SELECT 1');
        return;
      } catch (thrown) {
        const error = fromDatabaseError(thrown);
        if (!(error instanceof Fault)) {
          throw new Fault('DATABASE_UNAVAILABLE', `the database refuses us: ${messageOf(thrown)}`, { cause: thrown });
        }
        if (performance.now() + pauseMs > giveUpAt) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
