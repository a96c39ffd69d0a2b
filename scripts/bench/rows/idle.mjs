// Resident memory of worker and API that have run some builds and then do nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import { IMAGE, memoryOf } from '../house.mjs';
import { echoBuild } from './start.mjs';

export const about = 'idle memory of worker and API';

export async function run({ house, quick }) {
  await house.worker();
  await house.client.project('idle', ['echo hi'], { image: IMAGE });
  for (let build = 0; build < 5; build += 1) await echoBuild(house.client, 'idle');
  await sleep(quick ? 3_000 : 15_000);
  const worker = [];
  const api = [];
  for (let sample = 0; sample < 10; sample += 1) {
    worker.push(memoryOf(house.workerPid));
    api.push(memoryOf(house.api.pid));
    await sleep(500);
  }
  return [
    { what: 'idle memory, worker', unit: 'MB', samples: worker.map(toMB), absolute: true, target: { atMost: 150 } },
    { what: 'idle memory, API', unit: 'MB', samples: api.map(toMB), absolute: true, target: { atMost: 200 } },
  ];
}

const toMB = (mebibytes) => mebibytes * 1.048576;
