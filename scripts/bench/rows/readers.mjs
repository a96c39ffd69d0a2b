// Three hundred readers on one live log, against the same build without readers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { IMAGE } from '../house.mjs';
import { inTurns } from '../statistics.mjs';

export const about = '300 readers on one live log';

const READERS = 300;

export async function run({ house, quick }) {
  const lines = quick ? 300_000 : 3_000_000;
  await house.worker();
  await house.client.project('readers', ['sleep 3', `seq 1 ${lines}`], { image: IMAGE });
  const { watched, alone } = await inTurns({
    ways: {
      watched: () => linesPerSecond(house, READERS),
      alone: () => linesPerSecond(house, 0),
    },
    rounds: quick ? 2 : 5,
    warmUps: 1,
    between: () => house.settled(),
  });
  return [
    {
      what: `${READERS} readers on one live log (${lines / 1e6} million lines as fast as they go)`,
      unit: 'lines/s',
      samples: watched,
      baseline: { what: 'the same build without readers', samples: alone },
      target: { atLeast: 0.9 },
    },
  ];
}

/** One build, its readers there before its output begins. Out: lines per second, from the flood's begin until the log is sealed. */
async function linesPerSecond({ client }, readers) {
  const { id } = await client.start('readers');
  const audience = readers === 0 ? null : await newAudience(client, id, readers);
  try {
    const { log, phases, buildStatus } = await client.ended(id);
    if (buildStatus !== 'SUCCEEDED') throw new Error(`expected the build ${id} to succeed, got ${buildStatus}`);
    const began = Date.parse(phases.find(({ phaseType }) => phaseType === 'BUILD').startTime) + 3_000;
    const ended = Date.parse(phases.find(({ phaseType }) => phaseType === 'COMPLETED').startTime);
    return log.lineCount / ((ended - began) / 1000);
  } finally {
    await audience?.leave();
  }
}

/** Readers in a process of their own, at the lowest priority: in life they are elsewhere, and take nothing of this machine. */
async function newAudience(client, id, count) {
  const script = fileURLToPath(new URL('../audience.mjs', import.meta.url));
  const args = ['-n', '19', process.execPath, script, client.url, id, String(count)];
  const child = spawn('nice', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KILNYARD_BENCH_TOKEN: client.token },
  });
  const [said] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the readers could not connect'))),
  ]);
  if (!String(said).startsWith('connected')) throw new Error(`the readers: ${said}`);
  return {
    leave: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}
