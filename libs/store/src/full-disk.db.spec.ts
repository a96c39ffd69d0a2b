// Postgres on a disk that is full: what cannot be written is told, nothing is lost, and all goes on when there is room.
// The database lies in a tablespace on a small disk; the server's own files do not, so that it stays up.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { mountSmallDisk, type SmallDisk } from '#testing/small-disk.js';
import { Database } from './database.js';

const MB = 1024 ** 2;
const admin = process.env.KILNYARD_TEST_DATABASE_URL ?? '';
/** The owner of the server's files, who must be able to write to the small disk; null where the server is not on this machine. */
const disk = await prepare();
const describeIf = disk === null ? describe.skip : describe;

async function prepare(): Promise<(SmallDisk & { folder: string }) | null> {
  const client = new pg.Client({ connectionString: admin });
  await client.connect();
  let owner: string;
  try {
    const { rows } = await client.query<{ dir: string }>(`SELECT current_setting('data_directory') AS dir`);
    owner = execFileSync('stat', ['-c', '%u:%g', rows[0]!.dir], { stdio: 'pipe' }).toString().trim();
  } catch (error) {
    console.warn(`SKIPPED: the disk under Postgres cannot be tried: ${String(error)}`);
    return null;
  } finally {
    await client.end();
  }
  const mounted = mountSmallDisk(64 * MB);
  if (mounted === null) return null;
  const folder = join(mounted.path, 'tablespace');
  mkdirSync(folder);
  execFileSync('chown', [owner, folder]);
  return { ...mounted, folder };
}

describeIf('Postgres with a full disk', () => {
  const space = `kilnyard_small_${randomBytes(4).toString('hex')}`;
  let test: TestDatabase;
  let db: Database;

  const asAdmin = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: admin });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    test = await newTestDatabase();
    await asAdmin(`CREATE TABLESPACE ${space} LOCATION '${disk!.folder}'`);
    await asAdmin(`ALTER DATABASE ${new URL(test.url).pathname.slice(1)} SET TABLESPACE ${space}`);
    db = await Database.connect({ url: test.url, pool: 3 });
    await db.query('CREATE TABLE filled (bytes bytea); ALTER TABLE filled ALTER bytes SET STORAGE EXTERNAL');
  }, 60_000);
  afterEach(() => disk!.empty());
  afterAll(async () => {
    await db.close();
    await test.drop();
    await asAdmin(`DROP TABLESPACE ${space}`);
    disk!.unmount();
  }, 60_000);

  const writeOne = (): Promise<unknown> => db.query('INSERT INTO filled VALUES ($1)', [randomBytes(MB)]);

  it('says so as a fault of its own that may pass, and writes again when there is room', async () => {
    await writeOne();
    await disk!.fill(0);
    await expect(writeOne()).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      message: 'Postgres has no disk space left',
      retryable: true,
      details: { disk: 'database' },
    });
    expect(db.isFull).toBe(true);
    // reading goes on
    expect((await db.query<{ n: number }>('SELECT count(*)::int AS n FROM filled')).rows[0]?.n).toBe(1);
    await disk!.empty();
    await writeOne();
  }, 60_000);
});
