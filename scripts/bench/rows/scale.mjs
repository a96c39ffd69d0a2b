// What readers and workers ask most, with a million builds in the database, against the same with a thousand. Two API processes on
// two databases of one server, asked in turns.
import { makeDataSet, withClient } from '../data-set.mjs';
import { part } from '../parts.mjs';
import { inTurns } from '../statistics.mjs';

export const about = 'list, get, claim, log page with 1,000,000 builds, 10,000 projects, 100 million log lines';

const SAMPLED_BUILDS = 2_000;

export async function run({ house, quick, say }) {
  await house.stopWorker();
  const rounds = quick ? 150 : 500;
  const same = { waiting: rounds + 60, waitingProjects: 10, say };
  const small = await open(house, { ...same, name: 'bench_small', projects: 10, builds: 1_000 });
  const bigSize = quick ? { projects: 1_000, builds: 100_000 } : { projects: 10_000, builds: 1_000_000 };
  const big = await open(house, { ...same, name: 'bench_big', ...bigSize });
  say(`data sets: ${(small.tookMs / 1000).toFixed(0)} s and ${(big.tookMs / 1000).toFixed(0)} s, ${big.size} on disk`);
  const asked = {
    'list, newest': (at) => at.get('/v1/builds?limit=50'),
    'list, one project': (at) => at.get(`/v1/builds?project=${at.any().project}&limit=50`),
    'list, a rare status': (at) => at.get('/v1/builds?status=FAULT&limit=50'),
    'list, one project and a rare status': (at) =>
      at.get(`/v1/builds?project=${at.any().project}&status=TIMED_OUT&limit=50`),
    'list, a page far back': (at) => at.get(`/v1/builds?limit=50&cursor=${at.cursor}`),
    'list of projects': (at) => at.get('/v1/projects?limit=50'),
    get: (at) => at.get(`/v1/builds/${at.any().id}`),
    'log page': (at) => at.get(`/v1/builds/${at.any().id}/log?limit=100`),
    'log page in the middle of a million lines': (at) =>
      at.get(`/v1/builds/${at.longLog}/log?cursor=503777&limit=1000`),
    claim: (at) => at.claim(),
  };
  const rows = [];
  const many = quick ? '100,000' : '1,000,000';
  try {
    for (const [what, ask] of Object.entries(asked)) {
      const samples = await inTurns({
        ways: { big: () => timedMs(() => ask(big)), small: () => timedMs(() => ask(small)) },
        rounds,
        warmUps: 20,
      });
      rows.push({
        what: `${what}, with ${many} builds`,
        unit: 'ms',
        samples: samples.big,
        baseline: { what: 'with 1,000 builds', samples: samples.small },
        by: 'p99',
        target: { atMost: 1.5 },
      });
    }
  } finally {
    for (const one of [small, big]) await one.close();
  }
  return rows;
}

async function timedMs(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** A data set with an API process of its own, and the store that a worker would claim with. */
async function open(house, request) {
  const { databaseUrl, longLog, tookMs } = await makeDataSet(house, request);
  const { freePort } = await part('free-port');
  const api = await house.startApi({ port: await freePort(), databaseUrl, name: request.name });
  const [{ Database }, { BuildsStore }] = await Promise.all([
    import('#store/database.js'),
    import('#store/builds.store.js'),
  ]);
  const database = await Database.connect({ url: databaseUrl, pool: 2 });
  const store = new BuildsStore(database);
  const { builds, size } = await withClient(databaseUrl, async (client) => {
    const found = await client.query(
      `SELECT project_name AS project, project_name || ':' || id AS id FROM build TABLESAMPLE SYSTEM (2) WHERE status <> 'IN_PROGRESS' LIMIT $1`,
      [SAMPLED_BUILDS],
    );
    const all = await client.query(
      `SELECT project_name AS project, project_name || ':' || id AS id FROM build WHERE status <> 'IN_PROGRESS' LIMIT 500`,
    );
    const { rows } = await client.query('SELECT pg_size_pretty(pg_database_size(current_database())) AS size');
    return { builds: found.rows.length > 100 ? found.rows : all.rows, size: rows[0].size };
  });
  const cursor = await farCursor(api.client);
  let turn = 0;
  return {
    tookMs,
    size,
    longLog,
    cursor,
    any: () => builds[(turn += 7919) % builds.length],
    get: (path) => api.client.json('GET', path),
    claim: async () => {
      const claimed = await store.claimNext({ workerId: 'bench-00000000', leaseMs: 45_000 });
      if (claimed === null) throw new Error('expected a build to claim, got none');
    },
    close: async () => {
      await database.close();
      await api.stop();
    },
  };
}

/** The cursor of a page that is twenty days back. */
async function farCursor(client) {
  const to = new Date(Date.now() - 20 * 86_400_000).toISOString();
  const { nextCursor } = await client.json('GET', `/v1/builds?limit=1&to=${to}`);
  return encodeURIComponent(nextCursor);
}
