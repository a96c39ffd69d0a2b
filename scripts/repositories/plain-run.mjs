// The yardstick of scripts/try-repositories.mjs: the same commands without Kilnyard, in a plain `docker run` of the same image.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

const PHASES = ['install', 'pre_build', 'build', 'post_build'];
/** What CodeBuild calls the smallest compute type; Kilnyard gives a build the same. */
const MEMORY = '4g';

/** The commands of all phases as one script that ends at the first failure. */
export function scriptOf(buildspec) {
  const commands = PHASES.flatMap((phase) => {
    const { commands: own = [], finally: last = [] } = buildspec.phases?.[phase] ?? {};
    return [own, last].flat();
  });
  return ['set -e', ...commands].join('\n');
}

/**
 * Clones the repository and runs the buildspec's commands over the clone.
 * Out: `{ cloneMs, runMs, exitCode, output }`. Clone and container are gone afterwards.
 */
export async function runPlainly({ url, image, network, buildspec, name }) {
  const folder = mkdtempSync(join(tmpdir(), 'plain-run-'));
  try {
    const clone = await timed('git', ['clone', '--quiet', url, join(folder, 'source')]);
    if (clone.exitCode !== 0) throw new Error(`git clone ${url}: ${clone.output}`);
    const variables = Object.entries(buildspec.env?.variables ?? {}).flatMap(([key, value]) => [
      '-e',
      `${key}=${value}`,
    ]);
    const run = await timed('docker', [
      ...['run', '--rm', '--init', '--name', `plain-run-${name}-${process.pid}`, '--memory', MEMORY],
      ...(network ? ['--network', network] : []),
      ...['-v', `${join(folder, 'source')}:/source`, '-w', '/source', ...variables],
      ...[image, buildspec.env?.shell ?? 'sh', '-c', scriptOf(buildspec)],
    ]);
    return { cloneMs: clone.ms, runMs: run.ms, exitCode: run.exitCode, output: run.output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function timed(command, args) {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const parts = [];
    child.stdout.on('data', (part) => parts.push(part));
    child.stderr.on('data', (part) => parts.push(part));
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({
        ms: performance.now() - startedAt,
        exitCode: code ?? signal,
        output: Buffer.concat(parts).toString(),
      }),
    );
  });
}
