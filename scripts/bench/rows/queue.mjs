// Five hundred waiting echo builds on four slots, against four loops of `docker run` side by side.
import { setTimeout as sleep } from 'node:timers/promises';
import { dockerRun } from '../docker-run.mjs';
import { IMAGE } from '../house.mjs';

export const about = '500 queued echo builds on 4 slots';

const SLOTS = 4;

export async function run({ house, quick, say }) {
  const builds = quick ? 40 : 500;
  const parts = quick ? 2 : 5;
  const { client } = house;
  await house.worker({ KILNYARD_WORKER_SLOTS: String(SLOTS) });
  await client.project('queue', ['echo hi'], { image: IMAGE });
  const ours = [];
  const loops = [];
  // In parts, each beside its part of the baseline, so that what else the machine does falls on both.
  for (let part = 0; part < parts; part += 1) {
    await house.settled();
    loops.push(await loopsOfDockerRun(Math.max(SLOTS * 2, builds / parts / 2)));
    await house.settled();
    ours.push(await queuedBuilds(client, builds / parts));
    say(
      `queue: part ${part + 1} of ${parts}: ${ours.at(-1).toFixed(2)} builds/s, docker run ${loops.at(-1).toFixed(2)}/s`,
    );
  }
  return [
    {
      what: `${builds} queued echo builds, ${SLOTS} slots`,
      unit: 'builds/s',
      samples: ours,
      baseline: { what: `${SLOTS} parallel loops of docker run`, samples: loops },
      target: { atLeast: 2 },
    },
  ];
}

/** Queues builds as fast as the API takes them. Out: builds per second, from the first POST to the last end. */
async function queuedBuilds(client, count) {
  const began = performance.now();
  const started = [];
  for (let at = 0; at < count; at += 20) {
    const some = Math.min(20, count - at);
    started.push(...(await Promise.all(Array.from({ length: some }, () => client.start('queue')))));
  }
  const since = started[0].startTime;
  for (;;) {
    const { items } = await client.json('GET', `/v1/builds?project=queue&status=IN_PROGRESS&from=${since}&limit=1`);
    if (items.length === 0) break;
    await sleep(50);
  }
  const tookMs = performance.now() - began;
  const last = await client.get(started.at(-1).id);
  if (last.buildStatus !== 'SUCCEEDED')
    throw new Error(`expected build ${last.id} to succeed, got ${last.buildStatus}`);
  return count / (tookMs / 1000);
}

/** Out: runs per second. */
async function loopsOfDockerRun(count) {
  const each = Math.ceil(count / SLOTS);
  const began = performance.now();
  const loop = async () => {
    for (let run = 0; run < each; run += 1) await dockerRun(IMAGE, ['echo', 'hi']);
  };
  await Promise.all(Array.from({ length: SLOTS }, loop));
  return (each * SLOTS) / ((performance.now() - began) / 1000);
}
