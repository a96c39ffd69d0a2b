// `npm test [-- SUITE…] [-- PATH…]`: sets up what is missing, starts the servers that the suites need, runs everything in
// order, stops what it started. The last line is `Tests: N passed, N failed`; a failing check or an unreadable suite
// counts as one failure. Suites: check (format, lint, imports, types), unit, db, scenario, docker, faults; none named: all.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  HOME,
  SetupError,
  bin,
  checkNode,
  ensureDependencies,
  ensureGenerated,
  newSay,
  noteBuilt,
  run,
  tscCommand,
} from './setup.mjs';

const SUITES = ['check', 'unit', 'db', 'scenario', 'docker', 'faults'];
const NEEDS = {
  check: [],
  unit: [],
  db: ['database', 'redis', 's3'],
  scenario: ['database', 'redis', 'docker'],
  docker: ['docker', 'database', 'redis', 's3', 'registry'],
  faults: [], // it starts servers of its own, and kills them
};
/** Suites that share a Redis (one spec empties it) or an engine run one file at a time. */
const WORKERS = { unit: 2, db: 1, scenario: 1, docker: 1 };
const SUITE_TIMEOUT_MS = 20 * 60_000;

const say = newSay(Date.now());
const args = process.argv.slice(2).filter((arg) => arg !== '--');
const named = args.filter((arg) => SUITES.includes(arg));
const suites = SUITES.filter((suite) => named.length === 0 || named.includes(suite));
const patterns = args.filter((arg) => !SUITES.includes(arg));
const total = { passed: 0, failed: 0, skipped: 0 };
const troubles = [];

function count({ passed = 0, failed = 0, skipped = 0 }, trouble) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  if (trouble) troubles.push(trouble);
}

/** One check: its output is shown only when it fails. */
async function check(name, command) {
  const { exitCode, output } = await run(command);
  say(`${name}: ${exitCode === 0 ? 'fine' : 'FAILED'}`);
  if (exitCode !== 0) process.stdout.write(`${output.trim()}\n`);
  if (exitCode === 0) count({ passed: 1 });
  else count({ failed: 1 }, `${name} failed`);
  return exitCode === 0;
}

/** The types, and with them dist, which the servers below are started from. */
async function build() {
  const well = await check('types (tsc)', tscCommand());
  if (well) noteBuilt();
}

async function checks() {
  const node = (packageName, command, ...more) => [process.execPath, bin(packageName, command), ...more];
  await check('format (prettier)', node('prettier', 'prettier', '--check', '--log-level=warn', '.'));
  await check('lint (eslint)', node('eslint', 'eslint', '--max-warnings=0', '.'));
  const rooms = ['apps', 'libs', 'test'].filter((folder) => existsSync(join(HOME, folder)));
  await check('direction of imports (dependency-cruiser)', node('dependency-cruiser', 'depcruise', ...rooms));
}

/** One jest project, its report on the terminal, its numbers from the JSON file. */
async function jest(suite, env) {
  say(`${suite} tests`);
  const folder = mkdtempSync(join(tmpdir(), 'kilnyard-jest-'));
  const report = join(folder, 'report.json');
  const flags = [
    `--selectProjects=${suite}`,
    `--maxWorkers=${WORKERS[suite]}`,
    '--json',
    `--outputFile=${report}`,
    '--passWithNoTests',
  ];
  const exitCode = await runShown(
    [process.execPath, '--no-warnings', bin('jest', 'jest'), ...flags, '--', ...patterns],
    {
      ...process.env,
      ...env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings`.trim(),
    },
  );
  const result = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  rmSync(folder, { recursive: true, force: true });
  if (!result) return count({ failed: 1 }, `${suite}: jest ended without a report (exit ${exitCode})`);
  const skipped = result.numPendingTests + result.numTodoTests;
  count({ passed: result.numPassedTests, failed: result.numFailedTests + result.numRuntimeErrorTestSuites, skipped });
  if (result.numTotalTests === 0) say(`${suite}: NO TESTS`);
  if (skipped > 0) troubles.push(`${suite}: ${skipped} tests were SKIPPED`);
  const failed = result.testResults.filter((file) => file.status === 'failed').map((file) => file.name);
  for (const file of failed) troubles.push(`${suite}: ${file.replace(`${HOME}/`, '')} failed`);
  if (exitCode !== 0 && failed.length === 0) count({ failed: 1 }, `${suite}: jest ended with exit ${exitCode}`);
}

/** The fault suite in its bounded form: what it verified, one by one, counts as tests. */
async function faults() {
  say('fault suite');
  const folder = mkdtempSync(join(tmpdir(), 'kilnyard-report-'));
  const report = join(folder, 'report.json');
  const command = [process.execPath, join(HOME, 'scripts/faults.mjs'), '--bounded', '--report', report];
  const exitCode = await runShown(command, process.env, 'inherit');
  const result = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  rmSync(folder, { recursive: true, force: true });
  if (!result) return count({ failed: 1 }, `faults: ended without a report (exit ${exitCode})`);
  count(result);
  for (const violation of result.violations) troubles.push(`faults: ${violation}`);
  if (exitCode !== 0 && result.failed === 0) count({ failed: 1 }, `faults: ended with exit ${exitCode}`);
}

let current;
function runShown(command, env, stdout = 'ignore') {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { cwd: HOME, env, stdio: ['ignore', stdout, 'inherit'] });
    current = child;
    const timer = setTimeout(() => child.kill('SIGKILL'), SUITE_TIMEOUT_MS);
    child.once('error', () => resolve(127));
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(code ?? 137);
    });
  });
}

async function main() {
  let services = { env: {}, stop: async () => undefined };
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      interrupted = true;
      current?.kill('SIGTERM');
    });
  }
  try {
    checkNode();
    await ensureDependencies(say);
    await ensureGenerated(say);
    await build();
    if (suites.includes('check')) await checks();
    const needs = new Set(suites.flatMap((suite) => NEEDS[suite]));
    if (needs.size > 0) {
      say(`starting what the tests need: ${[...needs].join(', ')}`);
      const { startServices } = await import('./test-services.mjs');
      services = await startServices(needs, say);
    }
    for (const suite of suites) {
      if (suite === 'check' || interrupted) continue;
      if (suite !== 'faults') await jest(suite, services.env);
      else if (patterns.length === 0) await faults();
    }
  } catch (error) {
    const known = error instanceof SetupError || error?.name === 'SetupError';
    count({ failed: 1 }, `set-up failed: ${known ? error.message : error.stack}`);
  } finally {
    await services.stop();
  }
  if (interrupted) count({ failed: 1 }, 'interrupted');
  if (total.passed + total.failed === 0) count({ failed: 1 }, 'nothing ran');
  for (const trouble of troubles) say(trouble);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  process.stdout.write(`\nTests: ${total.passed} passed, ${total.failed} failed${skipped}\n`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

await main();
process.exit();
