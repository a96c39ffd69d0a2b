// The fair pick under many workers, and the indexes that it stands on.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ClaimedBuild } from '#core/build.js';
import { NOTHING_CARRIED, type Asked, type Carried } from '#core/fleet.js';
import { asWorkerId } from '#core/ids.js';
import type { Project } from '#core/project.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings } from '#testing/factories.js';
import { BuildsStore } from './builds.store.js';
import { Database } from './database.js';
import { Listener } from './listen.js';
import { CLAIMABLE_ELSEWHERE, PICK, pickValues, withPickPlan } from './pick.js';
import { ProjectsStore } from './projects.store.js';

// Hundreds of builds on a machine that may be busy.
jest.setTimeout(120_000);

let test: TestDatabase;
let db: Database;
let builds: BuildsStore;
let projects: ProjectsStore;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 12 });
  builds = new BuildsStore(db);
  projects = new ProjectsStore(db);
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, build CASCADE');
});

async function project(name: string, concurrentBuildLimit?: number): Promise<Project> {
  return projects.create(name, newProjectSettings(concurrentBuildLimit === undefined ? {} : { concurrentBuildLimit }));
}
async function build(of: Project, priority = 0, asked: Asked = {}): Promise<string> {
  const settings = { ...of.settings, priority, environment: { ...of.settings.environment, ...asked } };
  return (await builds.create({ project: of, settings, overrides: {}, initiator: 'ada', maxWaiting: 1000 })).id;
}
const next = (n = 1, carried: Carried = NOTHING_CARRIED): Promise<ClaimedBuild | null> =>
  builds.claimNext({ workerId: asWorkerId(`host-${n}`), leaseMs: 60_000, carried });

describe('claimNext', () => {
  it('takes the highest priority, then the project with the fewest running builds, then the oldest', async () => {
    const [a, b] = [await project('a'), await project('b')];
    const ids = {
      a1: await build(a),
      a2: await build(a),
      a3: await build(a),
      b1: await build(b),
      b2: await build(b),
      urgent: await build(b, 10),
    };
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) order.push((await next())?.build.id);
    // Running then, a:b: 0:1 (a has fewer), 1:1 (a2 is older), 2:1 (b has fewer), 2:2 (a3 is older), and what is left.
    expect(order).toEqual([ids.urgent, ids.a1, ids.a2, ids.b1, ids.a3, ids.b2]);
    expect(await next()).toBeNull();
  });

  it('passes over a project at its limit, also one with a higher priority', async () => {
    const [a, b] = [await project('a', 1), await project('b')];
    await build(a, 5);
    await build(a, 5);
    const b1 = await build(b);
    await next();
    expect((await next())?.build.id).toBe(b1);
    expect(await builds.hasClaimable()).toBe(false);
    expect(await next()).toBeNull();
  });

  it('runs builds of a project that was deleted meanwhile', async () => {
    const a = await project('a', 1);
    const ids = [await build(a), await build(a)];
    await projects.delete('a');
    expect([(await next())?.build.id, (await next())?.build.id]).toEqual(ids);
  });

  it('gives no build twice and passes no limit, with 8 workers over 200 builds of 5 projects', async () => {
    const limits = [1, 2, 3, undefined, undefined];
    const all = await Promise.all(limits.map((limit, i) => project(`p${i}`, limit)));
    for (let i = 0; i < 200; i++) await build(all[i % 5]!);
    const taken: string[] = [];
    const running = new Map<string, number>();
    let mostOver = 0;
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let idle = 0; idle < 3;) {
          const claimed = await next(worker);
          if (claimed === null) {
            idle += 1;
            continue;
          }
          idle = 0;
          const { projectName, id } = claimed.build;
          taken.push(id);
          running.set(projectName, (running.get(projectName) ?? 0) + 1);
          // Counted here after the claim and before the end, so never more than the database has running.
          const limit = limits[Number(projectName.slice(1))] ?? Infinity;
          mostOver = Math.max(mostOver, running.get(projectName)! - limit);
          await new Promise((resolve) => setImmediate(resolve));
          running.set(projectName, running.get(projectName)! - 1);
          await builds.apply(claimed.lease, 'FAULT', [], new Date());
        }
      }),
    );
    // A worker may leave while others still hold a project at its limit: what is left is taken here.
    for (let claimed = await next(); claimed !== null; claimed = await next()) {
      taken.push(claimed.build.id);
      await builds.apply(claimed.lease, 'FAULT', [], new Date());
    }
    expect(mostOver).toBeLessThanOrEqual(0);
    expect(taken).toHaveLength(200);
    expect(new Set(taken).size).toBe(200);
  });

  it('shares slots evenly when 8 workers claim at once and nothing ends', async () => {
    const all = await Promise.all(['a', 'b', 'c', 'd'].map((name) => project(name)));
    for (let i = 0; i < 20; i++) await build(all[0]!); // a floods the queue first
    for (const other of all.slice(1)) for (let i = 0; i < 5; i++) await build(other);
    const claimed = await Promise.all(Array.from({ length: 8 }, (_, n) => next(n)));
    const counts = new Map<string, number>();
    for (const claim of claimed) counts.set(claim!.build.projectName, (counts.get(claim!.build.projectName) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({ a: 2, b: 2, c: 2, d: 2 });
  });

  it('never claims a build that is stopped at the same moment, nor stops one quietly', async () => {
    const a = await project('a');
    for (let round = 0; round < 10; round++) {
      const id = await build(a);
      const [claimed, stopped] = await Promise.all([next(), builds.requestStop(id as never, 'ada')]);
      if (claimed === null) expect(stopped.status).toBe('STOPPED');
      else expect((await builds.renewLease(claimed.lease, 60_000)).stopRequested).toBe(true);
    }
  });
});

describe('claimNext with labels and fleets', () => {
  const gpu: Carried = { fleet: '', labels: ['arch=arm64', 'gpu'] };
  const macs: Carried = { fleet: 'macs', labels: [] };
  const asksFleet: Asked = { fleet: { fleetArn: 'macs' } };

  it('gives a worker what fits it, in the order of all that fits', async () => {
    const [a, b] = [await project('a'), await project('b')];
    const ids = {
      gpu: await build(a, 0, { labels: ['gpu'] }),
      plain: await build(b),
      both: await build(b, 5, { labels: ['gpu', 'arch=arm64'] }),
      fleet: await build(a, 9, asksFleet),
    };
    expect((await next(1))?.build.id).toBe(ids.plain);
    expect(await next(1)).toBeNull();
    expect((await next(2, gpu))?.build.id).toBe(ids.both);
    expect((await next(2, gpu))?.build.id).toBe(ids.gpu);
    expect(await next(2, gpu)).toBeNull();
    expect((await next(3, macs))?.build.id).toBe(ids.fleet);
  });

  it('looks behind a project’s head that does not fit', async () => {
    const a = await project('a');
    await build(a, 9, { labels: ['gpu'] });
    const plain = await build(a);
    expect((await next())?.build.id).toBe(plain);
  });

  it('keeps a fleet for those who ask for it', async () => {
    const a = await project('a');
    await build(a);
    expect(await builds.hasClaimable(macs)).toBe(false);
    expect(await next(1, macs)).toBeNull();
  });

  it('holds a project’s limit across its sets of labels', async () => {
    const a = await project('a', 1);
    await build(a, 0, { labels: ['gpu'] });
    await build(a);
    expect(await next(1, gpu)).not.toBeNull();
    expect(await next(2, gpu)).toBeNull();
    expect(await next(3)).toBeNull();
  });

  it('tells of each set of words that could start elsewhere, once', async () => {
    const listener = await Listener.start(test.url);
    const heard: string[] = [];
    listener.onWake((requires) => heard.push(requires));
    const [a, full] = [await project('a'), await project('full', 1)];
    for (let n = 0; n < 3; n++) await build(a, 0, { labels: ['gpu'] });
    await build(a, 0, asksFleet);
    await build(full, 0, { labels: ['arch=arm64'] });
    await build(full, 0, { labels: ['elsewhere'] });
    await next(1, { fleet: '', labels: ['arch=arm64'] });
    const told = async (carried: Carried | null): Promise<string[]> => {
      heard.length = 0;
      await builds.wakeOthers(carried);
      await db.query(`SELECT pg_notify('kilnyard_wake', 'end')`);
      while (!heard.includes('end')) await new Promise((resolve) => setTimeout(resolve, 5));
      return heard.slice(0, -1).sort();
    };
    expect(await told(NOTHING_CARRIED)).toEqual(['fleet=macs', 'gpu']);
    expect(await told(gpu)).toEqual(['fleet=macs']);
    expect(await told(null)).toEqual(['fleet=macs', 'gpu']);
    await build(a);
    expect(await told(macs)).toEqual(['', 'gpu']);
    await listener.close();
  });
});

describe('with 100,000 waiting builds', () => {
  it('the pick hops over the partial index and sorts no more rows than projects', async () => {
    for (let i = 0; i < 20; i++) await project(`p${String(i).padStart(2, '0')}`, 3);
    await db.query(
      `INSERT INTO build (id, project_id, project_name, number, status, current_phase, initiator, settings, overrides,
         queued_at, queue_deadline, log_day, requires)
       SELECT gen_random_uuid(), p.id, p.name, n, 'IN_PROGRESS', 'QUEUED', 'ada', '{}', '{}', now() + n * interval '1 ms', now(), current_date,
         CASE n % 4 WHEN 0 THEN 'gpu' WHEN 1 THEN 'arch=arm64' WHEN 2 THEN 'fleet=macs' ELSE '' END
       FROM project p, generate_series(1, 5000) n`,
    );
    const gpu = pickValues({ fleet: '', labels: ['gpu'] });
    // First as it is right after a sudden flood, when the planner knows nothing of it yet.
    for (const statistics of ['SELECT 1', 'ANALYZE build'])
      for (const [query, values] of [
        [PICK, gpu],
        [PICK, pickValues(NOTHING_CARRIED)],
        [PICK, pickValues({ fleet: 'macs', labels: [] })],
        [CLAIMABLE_ELSEWHERE, [...gpu, false]],
      ] as const) {
        await db.query(statistics);
        const { rows } = await withPickPlan(db, (tx) =>
          tx.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${query}`, [...values]),
        );
        const nodes = flatten(rows[0]!['QUERY PLAN'][0].Plan);
        expect(nodes.filter((node) => node['Index Name'] === 'build_waiting_needs')).toHaveLength(5);
        const most = Math.max(...nodes.map((node) => node['Actual Rows'] * node['Actual Loops']));
        expect(most).toBeLessThan(1_000);
      }
  });
});

interface PlanNode {
  'Node Type': string;
  'Index Name'?: string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  Plans?: PlanNode[];
}
function flatten(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(flatten)];
}
