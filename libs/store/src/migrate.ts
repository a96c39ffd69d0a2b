// Brings a database up to prisma/migrations. Called at start-up and by tests; also runnable: node dist/libs/store/src/migrate.js
import { existsSync } from 'node:fs';
import { readFile, readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MigrationList } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { messageOf } from '#core/errors.js';
import { atDatabaseEdge } from './database-errors.js';
import { ensureLogPartitions, todayAndTomorrow } from './log-partitions.js';
import { openSchemaEngine } from './schema-engine.js';

/** Key of the advisory lock under which one process migrates: `kiln` in ASCII. */
const MIGRATE_LOCK = 0x6b696c6e;

export interface Migration {
  /** Folder name, which orders them. */
  name: string;
  sql: string;
}

/**
 * Applies the migrations that are missing, in order, and makes today's and tomorrow's log partitions.
 * Creates the database when it is not there (by way of the server's database `postgres`). Several processes may call it at once:
 * an advisory lock lets one work, the others find nothing left to do.
 * In: the URL; `say` gets one line for each thing done. Out: names of the migrations applied now.
 * Errors: Fault DATABASE_UNAVAILABLE; the engine's error when a migration fails (it left nothing behind and is tried again next time).
 */
export async function migrate(
  databaseUrl: string,
  say: (line: string) => void = () => undefined,
): Promise<{ applied: string[] }> {
  return atDatabaseEdge(async () => {
    await createDatabaseIfMissing(databaseUrl, say);
    return withClient(databaseUrl, async (client) => {
      await client.query('SELECT pg_advisory_lock($1)', [MIGRATE_LOCK]);
      const applied = await applyMissing(client, databaseUrl);
      for (const name of applied) say(`applied migration ${name}`);
      if (applied.length === 0) say('the database is up to date');
      await ensureLogPartitions(client, todayAndTomorrow(new Date()));
      return { applied };
    });
  });
}

/** The repository's prisma folder, found upwards from this file (source and dist lie at different depths). */
export function prismaFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, 'prisma');
    if (existsSync(join(candidate, 'schema.prisma'))) return candidate;
    if (folder === dirname(folder)) throw new Error('prisma/schema.prisma was not found above libs/store');
  }
}

/** All migrations of the repository, in order. */
export async function readMigrations(): Promise<Migration[]> {
  const folder = join(prismaFolder(), 'migrations');
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  return Promise.all(
    names
      .map((entry) => entry.name)
      .sort()
      .map(async (name) => ({ name, sql: await readFile(join(folder, name, 'migration.sql'), 'utf8') })),
  );
}

async function applyMissing(client: pg.Client, databaseUrl: string): Promise<string[]> {
  const folder = prismaFolder();
  const { engine, close } = await openSchemaEngine(databaseUrl, await readFile(join(folder, 'schema.prisma'), 'utf8'));
  try {
    const migrationsList = await migrationList(folder);
    const filters = { externalTables: [], externalEnums: [] };
    // A migration runs as one transaction here, so one that failed (a connection lost in the middle) left nothing and may run again.
    for (const migrationName of await failedMigrations(client)) await engine.markMigrationRolledBack({ migrationName });
    return (await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames;
  } finally {
    await close();
  }
}

async function failedMigrations(client: pg.Client): Promise<string[]> {
  const table = await client.query<{ there: boolean }>(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`);
  if (table.rows[0]?.there !== true) return [];
  const { rows } = await client.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL',
  );
  return rows.map((row) => row.name);
}

async function migrationList(folder: string): Promise<MigrationList> {
  return {
    baseDir: join(folder, 'migrations'),
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(join(folder, 'migrations', 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: (await readMigrations()).map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  };
}

async function createDatabaseIfMissing(databaseUrl: string, say: (line: string) => void): Promise<void> {
  try {
    await withClient(databaseUrl, async () => undefined);
    return;
  } catch (error) {
    if ((error as { code?: string }).code !== '3D000') throw error; // 3D000: no such database
  }
  const url = new URL(databaseUrl);
  const name = decodeURIComponent(url.pathname.slice(1));
  url.pathname = '/postgres';
  await withClient(url.href, async (client) => {
    try {
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)} ENCODING 'UTF8' TEMPLATE template0`);
      say(`created database ${name}`);
    } catch (error) {
      // 42P04, 23505: another process was faster.
      if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error;
    }
  });
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'kilnyard',
  });
  client.on('error', () => undefined); // the query that runs into it throws it
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function main(): Promise<void> {
  const url = process.argv[2] ?? process.env.KILNYARD_DATABASE_URL;
  if (url === undefined || url === '') {
    throw new Error('say which database: migrate.js postgres://…, or KILNYARD_DATABASE_URL');
  }
  await migrate(url, (line) => {
    process.stdout.write(`${line}\n`);
  });
}

const entry = process.argv[1];
if (entry !== undefined && existsSync(entry) && (await realpath(entry)) === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  });
}
