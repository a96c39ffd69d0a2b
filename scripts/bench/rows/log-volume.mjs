// A flood of output from the container until it is sealed in Postgres, with one reader on, against the engine's default log driver and
// against the same output written to a file inside a container. The worker's memory is watched meanwhile.
import { dockerRun } from '../docker-run.mjs';
import { IMAGE, memoryOf } from '../house.mjs';
import { inTurns } from '../statistics.mjs';

export const about = 'log volume: 10 million short lines, 1 GiB of 100-byte lines';

/** Of words in random order, so that it packs like a build's log; the file of it is repeated, which deflate's window does not reach. */
const BLOCK_LINES = 83_886;
const MAKE_BLOCK = `awk 'BEGIN { srand(1); for (i = 0; i < ${BLOCK_LINES}; i++) { s = sprintf("%07d ", i); while (length(s) < 99) s = s substr("compilelinkfetchresolveinstallrunningpassed", 1 + int(rand() * 36), 2 + int(rand() * 6)) " "; print substr(s, 1, 99) } }' > /tmp/block`;
const SAMPLE_MS = 50;

function floods(quick) {
  const lines = quick ? 1_000_000 : 10_000_000;
  const blocks = quick ? 13 : 128;
  return [
    {
      name: `${lines / 1e6} million short lines`,
      project: 'flood-lines',
      before: 'true',
      write: `seq 1 ${lines}`,
      lineCount: lines,
    },
    {
      name: `${quick ? '0.1' : '1'} GiB of 100-byte lines`,
      project: 'flood-bytes',
      before: MAKE_BLOCK,
      write: `for i in $(seq ${blocks}); do cat /tmp/block; done`,
      lineCount: blocks * BLOCK_LINES,
    },
  ];
}

export async function run({ house, quick, say }) {
  await house.worker();
  const rows = [];
  for (const flood of floods(quick)) rows.push(...(await one(flood, { house, quick, say })));
  return rows;
}

async function one(flood, { house, quick, say }) {
  const { client } = house;
  await client.project(flood.project, [flood.write], {
    image: IMAGE,
    buildspec: { phases: { pre_build: { commands: [flood.before] } } },
  });
  const growths = [];
  const { ours, driver, file } = await inTurns({
    ways: {
      ours: async () => {
        const { tookMs, growthMiB } = await floodBuild(house, flood);
        growths.push(growthMiB);
        return tookMs / 1000;
      },
      driver: async () => (await dockerRun(IMAGE, ['sh', '-c', `${flood.before}; ${flood.write}`])) / 1000,
      file: async () =>
        (await dockerRun(IMAGE, ['sh', '-c', `${flood.before}; { ${flood.write}; } > /tmp/out`])) / 1000,
    },
    rounds: quick ? 2 : 3,
    warmUps: 0,
    between: () => house.settled(),
    onRound: (round) => say(`${flood.name}: round ${round + 1} done`),
  });
  const atLeast = flood.project === 'flood-lines' ? 10 : 3;
  return [
    {
      what: `${flood.name}, container → sealed in Postgres, one reader on`,
      unit: 's',
      samples: ours,
      baseline: { what: 'docker run IMAGE … > /dev/null, default log driver', samples: driver },
      faster: true,
      target: { atLeast },
    },
    {
      what: `${flood.name}, the same`,
      unit: 's',
      samples: ours,
      baseline: { what: 'written to a file inside a container (docker run)', samples: file },
      faster: true,
      target: { atLeast: 0.4 },
    },
    {
      what: `${flood.name}: growth of the worker’s memory`,
      unit: 'MiB',
      samples: growths,
      absolute: true,
      target: { atMost: 64 },
    },
  ];
}

/**
 * One build that floods its log, with a reader from its start on.
 * Out: milliseconds from the POST to the seal (as a GET sees it), and how far the worker's memory went above what it was.
 */
async function floodBuild(house, flood) {
  const { client, workerPid } = house;
  const before = memoryOf(workerPid);
  let highest = before;
  const watch = setInterval(() => (highest = Math.max(highest, memoryOf(workerPid))), SAMPLE_MS);
  try {
    const began = performance.now();
    const { id } = await client.start(flood.project);
    const reader = await client.listen(id);
    const { buildStatus, log } = await client.ended(id); // the seal is written before the status
    const sealedAt = performance.now();
    reader.stop();
    if (buildStatus !== 'SUCCEEDED' || log.lineCount < flood.lineCount)
      throw new Error(`build ${id}: ${buildStatus}, ${log.lineCount} lines; expected ${flood.lineCount} and more`);
    return { tookMs: sealedAt - began, growthMiB: highest - before };
  } finally {
    clearInterval(watch);
  }
}
