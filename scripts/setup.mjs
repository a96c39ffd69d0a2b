// What `npm start` and `npm test` both need first: the right Node, the dependencies, the generated Prisma client, the build.
// Plain Node without dependencies. Each step leaves a stamp and is skipped while what it was made from has not changed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyAssets } from './copy-assets.mjs';

export const HOME = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMPS = join(HOME, 'dist', '.stamps.json');
const SOURCES = ['apps', 'libs', 'test', 'prisma', 'tsconfig.json', 'package.json', 'package-lock.json'];

/** Something that the person must mend; shown without a stack. */
export class SetupError extends Error {}

/** Lines as `  1.4 s  text`, counted from `startedAtMs`. */
export function newSay(startedAtMs) {
  return (line) => process.stdout.write(`${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(5)} s  ${line}\n`);
}

/** The version in package.json's "engines": 20.19 and newer of 20, 22.12 and newer. */
export function checkNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
  if (fits) return;
  throw new SetupError(
    `Kilnyard needs Node 20.19 or newer (20, 22 or 24); this is Node ${version} (${process.execPath}).`,
  );
}

/** All of it, in order. */
export async function setUp(say) {
  checkNode();
  await ensureDependencies(say);
  await ensureGenerated(say);
  await ensureBuilt(say);
}

/** `npm ci`, unless node_modules was made from this package-lock.json. A linked node_modules is somebody else's: taken as it is. */
export async function ensureDependencies(say) {
  const folder = join(HOME, 'node_modules');
  const stampFile = join(folder, '.kilnyard-stamp');
  const stamp = hashOf(readFileSync(join(HOME, 'package-lock.json')));
  if (existsSync(folder) && (lstatSync(folder).isSymbolicLink() || readText(stampFile) === stamp)) return;
  if (!fitsLock(folder)) {
    say('installing dependencies (npm ci)');
    await installFromLock(say);
  }
  writeFileSync(stampFile, stamp);
}

/**
 * npm ci; and where it says that the lock is not whole (a registry that does not carry every platform's packages makes such
 * locks), npm install, which takes from the lock what it has and does not write it.
 */
async function installFromLock(say) {
  const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const flags = ['--include=dev', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  const { exitCode, output } = await run([...npm, 'ci', ...flags]);
  if (exitCode === 0) return;
  const hint = 'Is the npm registry in reach (npm ping)?';
  if (!output.includes('in sync'))
    throw new SetupError(`npm ci failed (exit ${exitCode}):\n${shortened(output)}\n${hint}`);
  say('npm ci finds package-lock.json not whole; going on with npm install');
  await must('npm install', [...npm, 'install', '--no-save', ...flags], hint);
}

/** The first and the last lines: npm says the cause first, compilers last. */
function shortened(output) {
  const lines = output.trim().split('\n');
  return lines.length <= 40 ? lines.join('\n') : [...lines.slice(0, 20), '…', ...lines.slice(-20)].join('\n');
}

/** Did npm make this node_modules from this lock file? npm keeps what it installed in node_modules/.package-lock.json. */
function fitsLock(folder) {
  const installed = readJson(join(folder, '.package-lock.json'))?.packages;
  const locked = readJson(join(HOME, 'package-lock.json'))?.packages;
  if (!installed || !locked) return false;
  const missing = Object.entries(locked).some(
    ([path, entry]) => path !== '' && !entry.optional && installed[path]?.version !== entry.version,
  );
  return !missing && Object.keys(installed).every((path) => installed[path].version === locked[path]?.version);
}

/** `prisma generate`, when the schema changed. It never runs a schema engine, so any program will do as one: no download. */
export async function ensureGenerated(say) {
  const made = join(HOME, 'libs/store/src/generated/client.ts');
  const inputs = ['prisma/schema.prisma', 'package-lock.json'].map((file) => readFileSync(join(HOME, file)));
  const stamp = hashOf(...inputs);
  if (existsSync(made) && readStamps().generated === stamp) return;
  say('generating the database client');
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' };
  await must('prisma generate', [process.execPath, bin('prisma', 'prisma'), 'generate'], '', env);
  writeStamps({ generated: stamp });
}

/** `tsc` into dist, when a source changed; incremental. */
export async function ensureBuilt(say) {
  const stamp = sourceStamp();
  if (readStamps().built === stamp && existsSync(join(HOME, 'dist/apps/standalone/src/main.js'))) return;
  say('building');
  await must('tsc', tscCommand(), '');
  copyAssets();
  writeStamps({ built: stamp });
}

/** The command that checks all types and writes dist. */
export function tscCommand() {
  return [process.execPath, bin('typescript', 'tsc'), '-p', HOME, '--pretty', 'false'];
}

/** Hash over path, size and time of every file that the build reads. */
export function sourceStamp(home = HOME, sources = SOURCES) {
  const hash = createHash('sha256');
  for (const source of sources)
    walk(join(home, source), (file, { size, mtimeMs }) => hash.update(`${file} ${size} ${mtimeMs}\n`));
  return hash.digest('hex');
}

function walk(path, visit) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory()) return visit(path, found);
  for (const name of readdirSync(path).sort()) walk(join(path, name), visit);
}

/** The script behind a command of an installed package. */
export function bin(packageName, command) {
  const folder = join(HOME, 'node_modules', packageName);
  const { bin: bins } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bins === 'string' ? bins : bins[command]);
}

/** Runs a command to its end in HOME. Out: exit code and all its output. It is told of a Ctrl-C by the terminal itself. */
export function run(command, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(command[0], command.slice(1), { cwd: HOME, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const parts = [];
    child.stdout.on('data', (part) => parts.push(part));
    child.stderr.on('data', (part) => parts.push(part));
    child.once('error', (error) => resolve({ exitCode: 127, output: error.message }));
    child.once('close', (code) => resolve({ exitCode: code ?? 137, output: Buffer.concat(parts).toString() }));
  });
}

async function must(name, command, hint, env) {
  const { exitCode, output } = await run(command, env);
  if (exitCode === 0) return;
  throw new SetupError(`${name} failed (exit ${exitCode}):\n${shortened(output)}${hint === '' ? '' : `\n${hint}`}`);
}

function readStamps() {
  return readJson(STAMPS) ?? {};
}

function writeStamps(stamps) {
  mkdirSync(dirname(STAMPS), { recursive: true });
  writeFileSync(STAMPS, `${JSON.stringify({ ...readStamps(), ...stamps })}\n`);
}

/** Completes dist and notes that it is of the present sources (for scripts/test.mjs, which runs tsc as one of its checks). */
export function noteBuilt() {
  copyAssets();
  writeStamps({ built: sourceStamp() });
}

function hashOf(...contents) {
  const hash = createHash('sha256');
  for (const content of contents) hash.update(content);
  return hash.digest('hex');
}

function readText(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // missing or half written: made anew
  }
}
