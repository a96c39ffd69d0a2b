// A build for which no container waits, against create + start + first byte through the engine's API.
import { firstByteThroughApi } from '../docker-run.mjs';
import { IMAGE } from '../house.mjs';
import { inTurns } from '../statistics.mjs';
import { NO_WAITING_CONTAINERS } from '../waiting-containers.mjs';
import { echoBuild } from './start.mjs';

export const about = 'no waiting container: POST -> first line';

export async function run({ house, quick }) {
  await house.worker(NO_WAITING_CONTAINERS);
  await house.client.project('cold', ['echo hi'], { image: IMAGE });
  const { ours, engine } = await inTurns({
    ways: {
      ours: () => echoBuild(house.client, 'cold'),
      engine: () => firstByteThroughApi(house.docker, IMAGE, ['echo', 'hi']),
    },
    rounds: quick ? 10 : 60,
    warmUps: 2,
    between: () => house.settled(),
  });
  return [
    {
      what: 'cold image pool (no waiting container) → first line',
      unit: 'ms',
      samples: ours.map(({ firstLineMs }) => firstLineMs),
      baseline: { what: 'create + start + first byte through the engine’s API', samples: engine },
      target: { atMost: 1.3 },
    },
  ];
}
