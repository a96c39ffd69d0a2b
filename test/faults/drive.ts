// Runs a plan: starts its builds in order, a few ahead of those that have ended, and injects each fault at its point.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildCase } from './builds.js';
import type { Client } from './client.js';
import { Injector } from './inject/inject.js';
import type { PlannedFault } from './plan.js';
import type { RunningBuild } from './run-build.js';
import { CLOSED, SECRET } from './shapes.js';
import type { Stage } from './stage/stage.js';

/** Builds that are under way at once: more than the workers have slots, so that some always wait. */
const AHEAD = 9;
const LOOK_EVERY_MS = 40;

/** What the builds need to be there. Before any fault. */
export async function prepare(cases: readonly BuildCase[], client: Client, stage: Stage): Promise<void> {
  await client.json('PUT', `/v1/secrets/${SECRET.name}`, { value: SECRET.value });
  for (const { project, settings, timeoutMinutes, gate } of cases) {
    if (gate !== null) await client.json('PUT', `/v1/parameters/${gate}`, { value: CLOSED });
    await client.json('POST', '/v1/projects', { name: project, ...settings });
    if (timeoutMinutes === null) continue;
    await stage.postgres.query(
      `UPDATE project SET settings = jsonb_set(settings, '{timeoutInMinutes}', to_jsonb($2::float8)) WHERE name = $1`,
      [project, timeoutMinutes],
    );
  }
}

/** Resolves when all builds have ended and all faults are over, or when `signal` is aborted. Out: which faults struck. */
export async function drive(request: {
  seed: number;
  builds: readonly RunningBuild[];
  faults: readonly PlannedFault[];
  stage: Stage;
  client: Client;
  say: (line: string) => void;
  complain: (what: string) => void;
  signal: AbortSignal;
  /** Ends the run: what was taken away does not come back. */
  giveUp: () => void;
}): Promise<Map<PlannedFault, boolean>> {
  const { builds, faults, stage, client, say, complain, signal, seed, giveUp } = request;
  const injector = new Injector({ stage, builds, client, signal });
  const struck = new Map<PlannedFault, boolean>();
  const strike = async (fault: PlannedFault): Promise<void> => {
    const build = builds[fault.when.build - 1]!;
    while (!signal.aborted && !build.ended && build.percent < fault.when.percent) await sleep(LOOK_EVERY_MS);
    if (signal.aborted) return;
    say(`fault ${fault.number}: ${fault.kind} at ${Math.floor(build.percent)} % of ${build.name}`);
    try {
      struck.set(fault, await injector.inject(fault, build));
      say(`fault ${fault.number}: ${fault.kind} is over`);
    } catch (error) {
      complain(`fault ${fault.number} (${fault.kind}) could not be undone: ${String(error)}`);
      giveUp();
    }
  };
  const run = async (build: RunningBuild): Promise<void> => {
    await build.toItsEnd(signal);
    say(`${build.name} ended: ${build.view?.buildStatus}`);
  };
  const striking = faults.map(strike);
  const under = new Set<Promise<void>>();
  for (const build of builds) {
    while (under.size >= AHEAD) await Promise.race(under);
    if (signal.aborted) break;
    await untilAborted(build.start(seed), signal).catch((error: unknown) => {
      complain(`${build.name} could not be started: ${String(error)}`);
    });
    if (build.id === '') continue;
    say(`${build.name} started: ${build.id}`);
    const running: Promise<void> = run(build)
      .catch((error: unknown) => {
        if (!signal.aborted) complain(`${build.name} could not be followed: ${String(error)}`);
      })
      .finally(() => under.delete(running));
    under.add(running);
  }
  await Promise.all([...under, ...striking]);
  return struck;
}

/** Resolves when the work is done or nobody waits for it any more. Errors: the work's. */
async function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => (stop = resolve));
  signal.addEventListener('abort', stop);
  work.catch(() => undefined); // heard by the race while somebody waits
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
