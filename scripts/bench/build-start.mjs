// How soon a build's first line is there: a sandbox of the engine against `docker run --rm IMAGE echo`, in turns, same machine,
// same image. Needs a Docker Engine that answers and the image; prints medians and the ratio.
// Run: npm run bench -- build-start [runs] [image]
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DockerBackend } from '../../dist/libs/engine/src/backend/docker/docker-backend.js';

const runs = Number(process.argv[2] ?? 10);
const image = process.argv[3] ?? 'kilnyard/standard:1.0';
const dir = mkdtempSync(join(tmpdir(), 'kilnyard-bench-'));
const signal = new AbortController().signal;
const backend = new DockerBackend({
  socket: process.env.DOCKER_HOST ?? '/var/run/docker.sock',
  sandboxesDir: join(dir, 'sandboxes'),
  instance: `bench-${randomUUID()}`,
  network: 'kilnyard',
  deny: [],
  requireFirewall: false,
  firewallImage: image,
  spoolLimitBytes: 2 ** 28,
});

async function ours() {
  const began = performance.now();
  const info = await backend.prepareImage({ image, say: () => undefined, signal });
  const sandbox = await backend.create(
    {
      buildId: randomUUID(),
      attempt: 1,
      workerId: 'bench',
      projectName: 'bench',
      image: info,
      limits: { cpus: 2, memoryBytes: 2 ** 32, diskBytes: 2 ** 32, pids: 4096 },
      privileged: false,
    },
    signal,
  );
  const ready = performance.now();
  await sandbox.start('echo hello >>/kilnyard/output\n');
  for await (const piece of sandbox.output(0, signal)) {
    if (piece.bytes.length === 0) continue;
    const first = performance.now();
    await sandbox.remove();
    return { cold: first - began, waiting: first - ready };
  }
  throw new Error('the sandbox said nothing');
}

function theirs() {
  const began = performance.now();
  const { status, stderr } = spawnSync('docker', ['run', '--rm', image, 'echo', 'hello'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`docker run failed: ${stderr}`);
  return performance.now() - began;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

try {
  await ours();
  theirs();
  const cold = [];
  const waiting = [];
  const docker = [];
  for (let run = 0; run < runs; run += 1) {
    const one = await ours();
    cold.push(one.cold);
    waiting.push(one.waiting);
    docker.push(theirs());
  }
  const row = (name, numbers) =>
    console.log(
      `${name.padEnd(52)} ${median(numbers).toFixed(1).padStart(8)} ms  ${(median(numbers) / median(docker)).toFixed(3).padStart(7)} x`,
    );
  console.log(`first line of a build, median of ${runs}, image ${image}`);
  row('docker run --rm IMAGE echo, whole process (baseline)', docker);
  row('a new container, to its first line', cold);
  row('a container that waits, to its first line', waiting);
} finally {
  await backend.sweep(() => false);
  await backend.close();
  rmSync(dir, { recursive: true, force: true });
}
