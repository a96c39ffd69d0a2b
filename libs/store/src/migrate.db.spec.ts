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

  it('leaves no difference to schema.prisma but log_chunk', async () => {
    await migrate(url);
    const tables = await sql(
      url,
      `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'log_chunk%'`,
    );
    const schema = await readFile(join(prismaFolder(), 'schema.prisma'), 'utf8');
    const { engine, close } = await openSchemaEngine(url, schema);
    try {
      const files = [{ path: 'schema.prisma', content: schema }];
      const diff = (externalTables: string[]) =>
        engine.diff({
          from: { tag: 'schemaDatasource', files, configDir: '' },
          to: { tag: 'schemaDatamodel', files },
          script: true,
          exitCode: true,
          filters: { externalTables, externalEnums: [] },
        });
      const external = [...(tables.rows as { relname: string }[]).map((row) => `public.${row.relname}`)];
      expect(external.length).toBeGreaterThanOrEqual(4);
      expect((await diff(external)).stdout).toBe('-- This is an empty migration.');
      expect((await diff([])).stdout).toContain('log_chunk'); // the comparison does see what is there
    } finally {
      await close();
    }
  });

  it('tries a migration again that failed half-way', async () => {
    await migrate(url);
    await sql(url, `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '%log_chunks%'`);
    await sql(
      url,
      'DROP TABLE log_chunk; DROP INDEX build_waiting, build_waiting_age, build_queue_deadline, build_running, build_unsealed',
    );
    expect((await migrate(url)).applied).toEqual(['20261122000001_log_chunks_and_queue_indexes']);
  });

  it('says that the server does not answer', async () => {
    await expect(migrate('postgres://x@127.0.0.1:1/x')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });
});
