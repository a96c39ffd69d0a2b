// The baselines that speak to the engine: `docker run` as a person would type it, and the engine's API without anything around it.
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';

const LABEL = 'kilnyard.bench=1';

/** Runs a program to its end. Out: milliseconds. Errors: Error with its last words when its status is not 0. */
export function timed(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options });
    let words = '';
    child.stderr?.setEncoding('utf8').on('data', (text) => (words = (words + text).slice(-2_000)));
    child.once('error', reject);
    child.once('close', (code) => {
      const tookMs = performance.now() - began;
      if (code === 0) resolve(tookMs);
      else reject(new Error(`${command} ${args.slice(0, 6).join(' ')} …: exit ${code} ${words}`));
    });
  });
}

/** `docker run --rm IMAGE …` as a whole process, its output to /dev/null. Out: milliseconds. */
export function dockerRun(image, command) {
  const out = openSync('/dev/null', 'w');
  return timed('docker', ['run', '--rm', '--label', LABEL, image, ...command], { stdio: ['ignore', out, 'pipe'] });
}

/** Create, attach, start, first byte, through the engine's API. Out: milliseconds; the container is removed behind it. */
export async function firstByteThroughApi(docker, image, command) {
  const began = performance.now();
  const container = await docker.createContainer({ Image: image, Cmd: command, Labels: { 'kilnyard.bench': '1' } });
  try {
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    const first = new Promise((resolve, reject) => {
      stream.once('data', () => resolve(performance.now()));
      stream.once('end', () => reject(new Error('the container said nothing')));
    });
    await container.start();
    const tookMs = (await first) - began;
    await container.wait();
    return tookMs;
  } finally {
    await container.remove({ force: true });
  }
}
