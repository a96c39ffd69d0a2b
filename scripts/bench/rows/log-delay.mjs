// Ten builds at a thousand lines a second each: how long a line takes from its write in the container to a reader.
import { IMAGE } from '../house.mjs';

export const about = 'log delay: 10 builds at 1,000 lines/s each';

const BUILDS = 10;
const LINES_PER_SECOND = 1_000;
/** Left out at the beginning and the end of each build: others are still starting or ending. */
const EDGE_MS = 3_000;
/** What all builds get to start, before they begin to write together. */
const START_MS = 25_000;

/**
 * Writes a line each millisecond, and in each the time of its writing (ms since the epoch, of the clock that the reader has too: a
 * container has its host's). A program that falls behind catches up, so that the rate holds.
 */
const writer = (seconds) =>
  `
$| = 1;
my $begin = $ENV{BEGIN_AT};
Time::HiRes::sleep($begin - Time::HiRes::time()) if $begin > Time::HiRes::time();
$begin = Time::HiRes::time();
for (my $line = 0; $line < ${seconds} * ${LINES_PER_SECOND}; $line++) {
  my $ahead = $begin + $line / ${LINES_PER_SECOND} - Time::HiRes::time();
  Time::HiRes::sleep($ahead) if $ahead > 0;
  printf "at %.3f line %d of some output of a build\\n", Time::HiRes::time() * 1000, $line;
}`.replaceAll('\n', ' ');

export async function run({ house, quick }) {
  const seconds = quick ? 12 : 40;
  await house.worker({ KILNYARD_WORKER_SLOTS: String(BUILDS) });
  const { client } = house;
  await client.project('delay', [`perl -MTime::HiRes -e '${writer(seconds)}'`], {
    image: IMAGE,
    // ten builds of the largest type would ask for more than there is
    concurrentBuildLimit: BUILDS,
  });
  const beginAt = String((Date.now() + START_MS) / 1000);
  const heard = await Promise.all(Array.from({ length: BUILDS }, () => oneBuild(client, beginAt)));
  const from = Math.max(...heard.map((lines) => lines[0].writtenAt)) + EDGE_MS;
  const to = Math.min(...heard.map((lines) => lines.at(-1).writtenAt)) - EDGE_MS;
  const counted = heard.flat().filter(({ writtenAt }) => writtenAt >= from && writtenAt < to);
  const rate = counted.length / ((to - from) / 1000);
  return [
    {
      what: `log delay, ${BUILDS} builds at 1,000 lines/s each, line written → at the reader`,
      unit: 'ms',
      samples: counted.map(({ delayMs }) => delayMs),
      absolute: true,
      target: { atMost: 60 },
      p99Target: { atMost: 250 },
      note: `${Math.round(rate)} lines/s in all over ${((to - from) / 1000).toFixed(0)} s in which all ${BUILDS} builds wrote.`,
    },
  ];
}

/** Out: when each line was written (ms since the epoch), and how much later it was here. */
async function oneBuild(client, beginAt) {
  const { id } = await client.start('delay', { environmentVariablesOverride: [{ name: 'BEGIN_AT', value: beginAt }] });
  const lines = [];
  await client.follow(id, (some, at) => {
    const now = performance.timeOrigin + at;
    for (const { text } of some) {
      const [, written] = /^at (\d+\.\d+) line/.exec(text) ?? [];
      if (written !== undefined) lines.push({ writtenAt: Number(written), delayMs: now - Number(written) });
    }
  });
  if (lines.length === 0) throw new Error(`the build ${id} wrote no lines`);
  return lines;
}
