// Prisma's schema engine as WebAssembly, so that migrations need no download. Called by migrate.ts and by the test that holds
// the migrations to schema.prisma.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg';
import type { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

/** What wasm-bindgen's glue needs from an instance; its typings leave both out. */
interface Glue {
  __wbg_set_wasm(exports: object): void;
}

/** The part of the global WebAssembly that is used here; TypeScript has it only among the browser's types. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};

let loaded: Promise<void> | undefined;

/**
 * Opens the engine on a database.
 * The package's own entry imports its .wasm file as a module, which Node 20 does only under a flag; so the module is instantiated
 * here by hand, from the file beside the glue, and callers need no flag.
 * In: the URL; schema.prisma's text. Out: the engine and what frees it. Errors: the engine's own, with Prisma's message.
 */
export async function openSchemaEngine(
  databaseUrl: string,
  schema: string,
): Promise<{ engine: SchemaEngine; close: () => Promise<void> }> {
  loaded ??= load();
  await loaded;
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  pool.on('error', () => undefined); // the engine's next query throws it
  const factory = new PrismaPg(pool);
  const connect = factory.connect.bind(factory);
  factory.connect = async () => atomicScripts(await connect(), pool);
  const engine = await glue.SchemaEngine.new(
    { datamodels: [['schema.prisma', schema]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory),
  );
  return {
    engine,
    close: async () => {
      engine.free();
      await pool.end();
    },
  };
}

/**
 * Makes the adapter send a migration whole. Its own way cuts the script at every `;`, in comments and function bodies too, and
 * runs the pieces one by one; sent as one simple query it is one transaction, so a migration that fails leaves nothing behind.
 */
function atomicScripts<A extends { executeScript(script: string): Promise<void> }>(adapter: A, pool: pg.Pool): A {
  adapter.executeScript = async (script) => {
    await pool.query(script);
  };
  return adapter;
}

async function load(): Promise<void> {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
  const { instance } = await WebAssembly.instantiate(await readFile(join(folder, 'schema_engine_bg.wasm')), {
    './schema_engine_bg.js': withoutLingeringTimers(),
  });
  (glue as unknown as Glue).__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}

/** The engine's imports. Its lock timeout is a timer that nobody clears: unreferenced, it holds no process up for 10 s. */
function withoutLingeringTimers(): Record<string, unknown> {
  const imports: Record<string, unknown> = { ...glue };
  for (const [name, original] of Object.entries(imports)) {
    if (!name.startsWith('__wbg_setTimeout_') || typeof original !== 'function') continue;
    imports[name] = (callback: unknown, ms: number): unknown => {
      const timer: unknown = original(callback, ms);
      (timer as Partial<NodeJS.Timeout> | undefined)?.unref?.();
      return timer;
    };
  }
  return imports;
}
