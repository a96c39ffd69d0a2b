// Builds real repositories with a running Kilnyard and compares with a plain `docker run`; docs/real-repositories.md says how.
//   node scripts/try-repositories.mjs REPOSITORIES BUILDSPECS [NAME ...]
import { serveGit } from '../dist/libs/forge/src/git-http-backend.js';
import { Kilnyard, connection } from './repositories/kilnyard.mjs';
import { runPlainly } from './repositories/plain-run.mjs';
import { tableOf } from './repositories/table.mjs';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const HOME = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = 'usage: node scripts/try-repositories.mjs REPOSITORIES BUILDSPECS [NAME ...]';
const IMAGE = process.env.KILNYARD_DEFAULT_IMAGE || 'kilnyard/standard:1.0';
/** Docker's network for the plain run; the engine's default one when absent. */
const NETWORK = process.env.TRY_NETWORK;
const BUILDS = ['first', 'second'];

const [repositories, buildspecs, ...only] = process.argv.slice(2);
try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

/** Out: did every build succeed, without a fault? */
async function main() {
  if (!repositories || !buildspecs) throw new Error(USAGE);
  const names = namesToTry();
  const kilnyard = new Kilnyard(connection(HOME));
  // A free port, another each time: Kilnyard knows its mirror of a repository by the URL, so each first build starts without one.
  const server = await serveGit({ root: repositories });
  const rows = [];
  try {
    for (const name of names) rows.push(await tryOne(kilnyard, name, `${server.url}/${name}.git`));
  } finally {
    await server.close();
  }
  process.stdout.write(`\n${tableOf(rows)}\n`);
  const faults = rows.flatMap((row) => row.faults.map((fault) => `${row.name}: ${fault}`));
  process.stdout.write(faults.length === 0 ? '\nno faults\n' : `\nfaults:\n${faults.join('\n')}\n`);
  return faults.length === 0;
}

/** A buildspec `<name>.yml` with a bare repository `<name>.git`. */
function namesToTry() {
  const all = readdirSync(buildspecs)
    .filter((file) => file.endsWith('.yml'))
    .map((file) => basename(file, '.yml'));
  const names = only.length > 0 ? only : all;
  if (names.length === 0) throw new Error(`${buildspecs} holds no *.yml; ${USAGE}`);
  for (const name of names) {
    if (!all.includes(name)) throw new Error(`${buildspecs} holds no ${name}.yml`);
    if (!existsSync(join(repositories, `${name}.git`))) throw new Error(`${repositories} holds no ${name}.git`);
  }
  return names;
}

async function tryOne(kilnyard, name, url) {
  const text = readFileSync(join(buildspecs, `${name}.yml`), 'utf8');
  const row = { name, builds: [], faults: [] };
  const project = `try-${name}`;
  await kilnyard.anewProject({
    name: project,
    description: 'Made by scripts/try-repositories.mjs',
    source: { type: 'GIT', location: url, buildspec: text },
    environment: { type: 'LINUX_CONTAINER', image: IMAGE, computeType: 'BUILD_GENERAL1_SMALL' },
    artifacts: { type: 'S3', name: `${name}.zip`, packaging: 'ZIP' },
    cache: { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] },
    timeoutInMinutes: 30,
  });
  for (const which of BUILDS) {
    process.stdout.write(`\n=== ${name}, ${which} build\n`);
    const built = await buildOnce(kilnyard, project);
    row.builds.push(built);
    row.faults.push(...built.faults.map((fault) => `${which} build: ${fault}`));
  }
  process.stdout.write(`\n=== ${name}, plain docker run\n`);
  row.plain = await runPlainly({ url, image: IMAGE, network: NETWORK, buildspec: parse(text), name });
  keep(`${name}-plain.log`, row.plain.output);
  if (row.plain.exitCode !== 0) row.faults.push(`the plain run ended with ${row.plain.exitCode}`);
  return row;
}

async function buildOnce(kilnyard, project) {
  const { id } = await kilnyard.call('POST', `/v1/projects/${project}/builds`, {});
  const log = await kilnyard.followLog(id, (text) => process.stdout.write(`  | ${text}\n`));
  const build = await kilnyard.ended(id);
  const artifacts = await kilnyard.checkArtifacts(id);
  const raw = await kilnyard.rawLog(id);
  keep(`${project}-${build.buildNumber}.log`, raw);
  const faults = [...log.faults, ...artifacts.faults];
  if (build.buildStatus !== 'SUCCEEDED') faults.push(`${id} is ${build.buildStatus}`);
  if (log.end.lineCount !== log.lines.length) faults.push(`${log.end.lineCount} lines told, ${log.lines.length} came`);
  if (textOf(log.lines) !== raw) faults.push('the followed log and the raw log differ');
  return {
    status: build.buildStatus,
    phases: build.phases,
    totalMs: Date.parse(build.endTime) - Date.parse(build.startTime),
    lines: log.lines.length,
    artifactBytes: artifacts.bytes,
    faults,
  };
}

/** A line that `continues` goes on in the next one without a line end. */
function textOf(lines) {
  return lines.map((line) => line.text + (line.continues ? '' : '\n')).join('');
}

function keep(file, text) {
  const folder = join(HOME, '.kilnyard', 'try-repositories');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), text);
}
