// A database whose tables lie on a small disk of their own, in a tablespace of the tests' server: the server's own files do not, so that
// it stays up when the disk is full.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { newTestDatabase, type TestDatabase } from './database.js';
import { mountSmallDisk, type SmallDisk } from './small-disk.js';

/** `drop` takes the disk along. */
export type SmallDatabase = TestDatabase & { disk: SmallDisk };

/** Where a database can be made that fills up; null where this process may not mount, or the server is not on this machine. */
export async function smallDatabases(sizeBytes: number): Promise<(() => Promise<SmallDatabase>) | null> {
  const owner = await serverOwner();
  const disk = owner === null ? null : mountSmallDisk(sizeBytes);
  if (owner === null || disk === null) return null;
  return async () => {
    const folder = join(disk.path, 'tablespace');
    mkdirSync(folder);
    execFileSync('chown', [owner, folder]);
    const space = `kilnyard_small_${randomBytes(4).toString('hex')}`;
    const test = await newTestDatabase();
    await asAdmin(`CREATE TABLESPACE ${space} LOCATION '${folder}'`);
    await asAdmin(`ALTER DATABASE ${new URL(test.url).pathname.slice(1)} SET TABLESPACE ${space}`);
    const drop = async (): Promise<void> => {
      await test.drop();
      await asAdmin(`DROP TABLESPACE ${space}`);
      disk.unmount();
    };
    return { url: test.url, disk, drop };
  };
}

/** `uid:gid` of the server's files. */
async function serverOwner(): Promise<string | null> {
  try {
    const dir = await asAdmin(`SELECT current_setting('data_directory') AS text`);
    return execFileSync('stat', ['-c', '%u:%g', dir], { stdio: 'pipe' }).toString().trim();
  } catch (error) {
    console.warn(`SKIPPED: the disk under Postgres cannot be tried: ${String(error)}`);
    return null;
  }
}

async function asAdmin(sql: string): Promise<string> {
  const client = new pg.Client({ connectionString: process.env['KILNYARD_TEST_DATABASE_URL'] });
  await client.connect();
  try {
    const { rows } = await client.query<{ text: string }>(sql);
    return rows[0]?.text ?? '';
  } finally {
    await client.end();
  }
}
