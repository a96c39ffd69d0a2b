// The servers that tests need: Postgres without fsync, Redis, an S3 server, a Docker Engine and two tiny images; an image registry's program. Started by the same
// code as `npm start` uses (dist/apps/standalone), in a folder of their own under the system's temporary folder.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureTestImages } from './test-images.mjs';
import { s3Variables, startS3 } from './test-s3.mjs';

const PARTS = '../dist/apps/standalone/src';

/**
 * Starts what the suites need. In: `needs` of 'database', 'redis', 's3', 'docker', 'registry'.
 * Out: variables for the tests, and how to end it all. What the environment names already (KILNYARD_TEST_*) is used.
 */
export async function startServices(needs, say) {
  const [{ startPostgres }, { startRedis }, { openEngine }, { thisMachine }, { ProcessTable }, { openDataFolder }] =
    await Promise.all(
      ['postgres', 'redis', 'engine', 'machine', 'process-table', 'data-folder'].map(
        (part) => import(`${PARTS}/${part}.js`),
      ),
    );
  const folder = await mkdtemp(join(tmpdir(), 'kilnyard-test-'));
  await openDataFolder(folder);
  const machine = thisMachine();
  const table = new ProcessTable(join(folder, 'processes.json'));
  const env = {};
  const ends = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    if (needs.has('redis') && !process.env.KILNYARD_TEST_REDIS_URL) {
      const redis = await startRedis({ folder, machine, table, say });
      ends.push(() => redis.process.stop());
      env.KILNYARD_TEST_REDIS_URL = redis.url;
    }
    if (needs.has('database') && !process.env.KILNYARD_TEST_DATABASE_URL) {
      const flags = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];
      const postgres = await startPostgres({ folder, machine, table, say, flags });
      // Where `postgres` cannot enter the temporary folder the data lies elsewhere (homeFor); it goes when the server is gone.
      if (!postgres.data.startsWith(folder))
        ends.push(() => rm(dirname(postgres.data), { recursive: true, force: true }));
      ends.push(() => postgres.process.stop());
      env.KILNYARD_TEST_DATABASE_URL = postgres.url;
    }
    if (needs.has('registry') && !process.env.KILNYARD_TEST_REGISTRY)
      env.KILNYARD_TEST_REGISTRY = await ensureRegistry(machine, say);
    if (needs.has('s3') && !process.env.KILNYARD_TEST_S3_ENDPOINT) {
      const s3 = await startS3({ folder: join(folder, 's3'), machine, table, say });
      ends.push(() => s3.stop());
      Object.assign(env, s3Variables(s3));
    }
    if (needs.has('docker')) {
      const socket = process.env.KILNYARD_TEST_DOCKER_SOCKET;
      const engineEnv = socket ? { ...process.env, KILNYARD_DOCKER_SOCKET: socket } : process.env;
      const logFile = join(folder, 'logs', 'dockerd.log');
      const engine = await openEngine({ env: engineEnv, logFile, machine, say });
      ends.push(() => engine.release());
      if (engine.socket) env.KILNYARD_TEST_DOCKER_SOCKET = engine.socket;
      Object.assign(env, await ensureTestImages(engine.docker, machine, say));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { env, stop };
}

/** The tests start it themselves, each its own (libs/testing/src/registry.ts). Out: its path. */
async function ensureRegistry(machine, say) {
  const { findProgram } = await import(`${PARTS}/machine.js`);
  const { install } = await import(`${PARTS}/debian.js`);
  const find = () => findProgram('docker-registry') ?? findProgram('registry');
  const why = 'docker-registry is missing (or set KILNYARD_TEST_REGISTRY to the program of CNCF Distribution)';
  if (find() === undefined) await install(machine, ['docker-registry'], why, say);
  return find();
}
