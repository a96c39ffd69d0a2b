// Migrations: they make exactly schema.prisma (and log_chunk), from nothing, however many start at once.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { migrate, prismaFolder, readMigrations } from './migrate.js';
import { openSchemaEngine } from './schema-engine.js';

jest.setTimeout(60_000);

const admin = process.env.KILNYARD_TEST_DATABASE_URL ?? '';
const name = `kilnyard_test_migrate_${process.pid}`;
const url = (() => {
  const target = new URL(admin);
  target.pathname = `/${name}`;
  return target.href;
})();

afterEach(() => sql(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));

async function sql(where: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: where });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

/** The SQL that the engine writes for schema.prisma. (Its own comparison with a database fails in the driver adapter: a `char` column.) */
async function scriptFromSchema(): Promise<string> {
  const content = await readFile(join(prismaFolder(), 'schema.prisma'), 'utf8');
  const { engine, close } = await openSchemaEngine(url, content);
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content }] },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    return stdout ?? '';
  } finally {
    await close();
  }
}

/** Columns, indexes and constraints, one line each, without log_chunk, partial indexes and Prisma's own table. */
async function structure(): Promise<string[]> {
  const { rows } = await sql(
    url,
    `SELECT line FROM (
       SELECT table_name AS owner, concat_ws(' ', 'column', table_name, column_name, udt_name, datetime_precision, is_nullable, column_default) AS line
         FROM information_schema.columns WHERE table_schema = 'public'
       UNION ALL SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef NOT LIKE '% WHERE %'
       UNION ALL SELECT conrelid::regclass::text, concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     ) all_lines WHERE owner NOT LIKE 'log_chunk%' AND owner <> '_prisma_migrations' ORDER BY line`,
  );
  const lines = (rows as { line: string }[]).map((row) => row.line);
  if (lines.length < 100) throw new Error(`expected the structure of a dozen tables, got ${lines.length} lines`);
  return lines;
}

describe('migrate', () => {
  it('makes the database and applies every migration once, however many processes ask', async () => {
    const said: string[] = [];
    const results = await Promise.all([1, 2, 3].map(() => migrate(url, (line) => said.push(line))));
    const names = (await readMigrations()).map((migration) => migration.name);
    expect(results.flatMap((result) => result.applied)).toEqual(names);
    expect(said.filter((line) => line === 'the database is up to date')).toHaveLength(2);
    expect(said).toContain(`applied migration ${names[0]}`);
    expect((await migrate(url)).applied).toEqual([]);
  });

  it('makes what schema.prisma says, and beside it only log_chunk and partial indexes', async () => {
    await migrate(url);
    const migrated = await structure();
    await sql(admin, `DROP DATABASE ${name} WITH (FORCE)`);
    await sql(admin, `CREATE DATABASE ${name}`);
    await sql(url, await scriptFromSchema());
    expect(migrated).toEqual(await structure());
  });

  it('tries a migration again that failed half-way', async () => {
    await migrate(url);
    await sql(url, `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '%log_chunks%'`);
    await sql(
      url,
      'DROP TABLE log_chunk; DROP INDEX IF EXISTS build_waiting, build_waiting_age, build_queue_deadline, build_running, build_unsealed',
    );
    expect((await migrate(url)).applied).toEqual(['20261122000001_log_chunks_and_queue_indexes']);
  });

  it('says that the server does not answer', async () => {
    await expect(migrate('postgres://x@127.0.0.1:1/x')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });
});
