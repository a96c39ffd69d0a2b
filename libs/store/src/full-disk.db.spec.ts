// Postgres on a disk that is full: what cannot be written is told, nothing is lost, and all goes on when there is room.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { smallDatabases, type SmallDatabase } from '#testing/small-database.js';
import { Database } from './database.js';

const MB = 1024 ** 2;
const make = await smallDatabases(64 * MB);
const describeIf = make === null ? describe.skip : describe;

describeIf('Postgres with a full disk', () => {
  let test: SmallDatabase;
  let db: Database;

  beforeAll(async () => {
    test = await make!();
    db = await Database.connect({ url: test.url, pool: 3 });
    await db.query('CREATE TABLE filled (bytes bytea); ALTER TABLE filled ALTER bytes SET STORAGE EXTERNAL');
  }, 60_000);
  afterEach(() => test.disk.empty());
  afterAll(async () => {
    await db.close();
    await test.drop();
  }, 60_000);

  const writeOne = (): Promise<unknown> => db.query('INSERT INTO filled VALUES ($1)', [randomBytes(MB)]);

  it('says so as a fault of its own that may pass, and writes again when there is room', async () => {
    await writeOne();
    await test.disk.fill(0);
    await expect(writeOne()).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      message: 'Postgres has no disk space left',
      retryable: true,
      details: { disk: 'database' },
    });
    expect(db.isFull).toBe(true);
    // reading goes on
    expect((await db.query<{ n: number }>('SELECT count(*)::int AS n FROM filled')).rows[0]?.n).toBe(1);
    await test.disk.empty();
    await writeOne();
  }, 60_000);
});
