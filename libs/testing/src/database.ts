// A fresh database for each test file, cloned from a template that is migrated once per run. Imported by *.db.spec.ts and scenarios.
import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrate, readMigrations } from '#store/migrate.js';

/** Key of the advisory lock under which one jest worker makes the template: `test` in ASCII. */
const TEMPLATE_LOCK = 0x74657374;

/** A database of one test file's own. */
export interface TestDatabase {
  url: string;
  /** Closes every connection to it and drops it. */
  drop(): Promise<void>;
}

/**
 * Clones the migrated template database (some 50 ms).
 * The template's name carries a hash of prisma/migrations, so a stale one is never used.
 * Errors: without KILNYARD_TEST_DATABASE_URL it says how to run the tests.
 */
export async function newTestDatabase(): Promise<TestDatabase> {
  const admin = process.env.KILNYARD_TEST_DATABASE_URL;
  if (admin === undefined || admin === '') {
    throw new Error(
      'KILNYARD_TEST_DATABASE_URL is not set: expected the URL of a Postgres in which databases may be made. Run `npm test`, which starts one.',
    );
  }
  const template = await templateName();
  const name = `kilnyard_test_${randomBytes(6).toString('hex')}`;
  await withAdmin(admin, async (client) => {
    // A template can be copied only while nobody is connected to it, so copies take turns as well.
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    await makeTemplate(client, admin, template);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  });
  return {
    url: databaseUrl(admin, name),
    drop: () => withAdmin(admin, async (client) => void (await client.query(`DROP DATABASE ${name} WITH (FORCE)`))),
  };
}

async function makeTemplate(client: pg.Client, admin: string, template: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [template]);
  if (rowCount !== 0) return;
  // Under another name until it is whole: a run that dies half-way leaves no half template behind.
  const draft = `${template}_draft`;
  await client.query(`DROP DATABASE IF EXISTS ${draft} WITH (FORCE)`);
  await migrate(databaseUrl(admin, draft));
  await client.query(`ALTER DATABASE ${draft} RENAME TO ${template}`);
}

async function templateName(): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, sql } of await readMigrations()) hash.update(`${name}\0${sql}\0`);
  return `kilnyard_template_${hash.digest('hex').slice(0, 12)}`;
}

function databaseUrl(admin: string, name: string): string {
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return url.href;
}

async function withAdmin(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
