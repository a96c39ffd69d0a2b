// POST of a build to its first line at a reader, and to its readable end, against `docker run` of the same echo.
import { firstOutputLine } from '../client.mjs';
import { dockerRun } from '../docker-run.mjs';
import { IMAGE } from '../house.mjs';
import { inTurns } from '../statistics.mjs';

export const about = 'POST -> first line, POST -> SUCCEEDED, image warm, no source';

/** One echo build. Out: milliseconds from the POST to its first output line, and to a GET that answers SUCCEEDED. */
export async function echoBuild(client, project) {
  const seen = firstOutputLine();
  const began = performance.now();
  const { id } = await client.start(project);
  await client.follow(id, seen.onLines);
  const { buildStatus } = await client.get(id);
  const endMs = performance.now() - began;
  if (buildStatus !== 'SUCCEEDED') throw new Error(`expected the build ${id} to succeed, got ${buildStatus}`);
  if (seen.at === null) throw new Error(`the build ${id} said nothing`);
  return { firstLineMs: seen.at - began, endMs };
}

export async function run({ house, quick }) {
  await house.worker();
  await house.client.project('start', ['echo hi'], { image: IMAGE });
  const { ours, docker } = await inTurns({
    ways: {
      ours: () => echoBuild(house.client, 'start'),
      docker: () => dockerRun(IMAGE, ['echo', 'hi']),
    },
    rounds: quick ? 10 : 100,
    warmUps: 3,
    between: () => house.settled(),
  });
  const baseline = { what: 'docker run --rm IMAGE echo hi, whole process', samples: docker };
  return [
    {
      what: 'POST → first output line at an SSE reader (no source, image warm)',
      unit: 'ms',
      samples: ours.map(({ firstLineMs }) => firstLineMs),
      baseline,
      target: { atMost: 0.15 },
    },
    {
      what: 'POST → SUCCEEDED readable, echo build',
      unit: 'ms',
      samples: ours.map(({ endMs }) => endMs),
      baseline,
      target: { atMost: 0.5 },
    },
  ];
}
