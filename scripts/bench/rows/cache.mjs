// Saving and restoring a cache of a 500 MB node_modules, against tar and zstd by hand.
import { execFileSync, spawnSync } from 'node:child_process';
import { createReadStream, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HOME } from '../../setup.mjs';
import { timed } from '../docker-run.mjs';
import { IMAGE } from '../house.mjs';
import { inTurns } from '../statistics.mjs';

export const about = 'cache save and restore of a 500 MB node_modules';

const MEGABYTE = 1_000_000;

export async function run({ house, quick, say }) {
  if (spawnSync('zstd', ['--version']).status !== 0)
    throw new Error('the program zstd is missing: the baseline needs it');
  const folder = mkdtempSync(join(tmpdir(), 'kilnyard-bench-cache-'));
  try {
    const size = makeModules(join(folder, 'tree'), (quick ? 100 : 500) * MEGABYTE);
    say(`cache: a node_modules of ${size.files} files, ${(size.bytes / MEGABYTE).toFixed(0)} MB`);
    const upload = await uploadTree(house.client, folder);
    await house.worker();
    await projects(house.client, upload);
    let round = 0;
    const ours = () => saveAndRestore(house.client, (round += 1));
    const byHand = () => tarAndBack(folder);
    const samples = await inTurns({
      ways: { ours, byHand },
      rounds: quick ? 2 : 4,
      warmUps: 0,
      between: () => house.settled(),
    });
    const row = (what, key, target) => ({
      what: `${what} of a ${quick ? 100 : 500} MB node_modules`,
      unit: 's',
      samples: samples.ours.map((one) => one[key] / 1000),
      baseline: { what: 'tar | zstd and back by hand', samples: samples.byHand.map((one) => one[key] / 1000) },
      target,
    });
    return [
      row('cache save and restore', 'bothMs', { atMost: 1.15 }),
      row('– save alone', 'saveMs'),
      row('– restore alone', 'restoreMs'),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Packages of this program's own node_modules in the order of their names, again and again under other names, until there are `bytes`. */
function makeModules(tree, bytes) {
  const from = realpathSync(join(HOME, 'node_modules')); // it may be a link
  const listed = execFileSync('du', ['-b', '-d1', from], { encoding: 'utf8' }).trim().split('\n').slice(0, -1);
  const packages = listed.map((line) => line.split('\t')).map(([size, path]) => ({ size: Number(size), path }));
  packages.sort((a, b) => (a.path < b.path ? -1 : 1));
  const modules = join(tree, 'node_modules');
  for (let copy = 0, left = bytes; left > MEGABYTE; copy += 1) {
    const into = join(modules, `copy-${copy}`);
    execFileSync('mkdir', ['-p', into]);
    const taken = packages.filter(({ size }) => size <= left && (left -= size) >= 0);
    if (taken.length === 0) break;
    execFileSync('cp', ['-r', ...taken.map(({ path }) => path), into]);
  }
  return sizeOf(modules);
}

function sizeOf(folder) {
  const bytes = Number(execFileSync('du', ['-sb', '--apparent-size', folder], { encoding: 'utf8' }).split('\t')[0]);
  const files = Number(execFileSync('sh', ['-c', 'find "$1" -type f | wc -l', 'sh', folder], { encoding: 'utf8' }));
  return { bytes, files };
}

/** The tree as an uploaded source. Out: its location. */
async function uploadTree(client, folder) {
  const archive = join(folder, 'tree.tar.gz');
  execFileSync('sh', ['-c', 'tar -C "$1" -c . | gzip -1 > "$2"', 'sh', join(folder, 'tree'), archive]);
  const { hostname, port } = new URL(client.url);
  const answer = await new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${client.token}`,
      'content-type': 'application/gzip',
      'content-length': statSync(archive).size,
    };
    const request = httpRequest({ hostname, port, method: 'POST', path: '/v1/uploads', headers }, resolve);
    request.on('error', reject);
    pipeline(createReadStream(archive), request).catch(reject);
  });
  const parts = [];
  for await (const bytes of answer) parts.push(bytes);
  const text = Buffer.concat(parts).toString();
  if (answer.statusCode >= 300) throw new Error(`the upload: ${answer.statusCode} ${text}`);
  return JSON.parse(text).location;
}

/** One project whose build saves what its source holds, and one command that looks whether all came back. */
async function projects(client, upload) {
  const cache = { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] };
  const buildspec = { cache: { paths: ['node_modules/**/*'] } };
  await client.project('cache', ['ls node_modules | wc -l'], { image: IMAGE, cache, buildspec });
  // The same project with the tree as its source fills the cache; later builds have no source and get it back.
  const { id } = await client.start('cache', { sourceTypeOverride: 'S3', sourceLocationOverride: upload });
  const { buildStatus, cacheUse } = await client.ended(id);
  if (buildStatus !== 'SUCCEEDED' || !(cacheUse?.savedBytes > 0))
    throw new Error(`expected a build that fills the cache, got ${buildStatus} ${JSON.stringify(cacheUse)}`);
}

/** A build that gets the cache and saves it again. Out: what the build says that each took, in milliseconds. */
async function saveAndRestore(client) {
  const { id } = await client.start('cache');
  const { buildStatus, cacheUse } = await client.ended(id);
  if (buildStatus !== 'SUCCEEDED' || cacheUse?.result !== 'hit' || !(cacheUse.savedBytes > 0))
    throw new Error(`expected a build that gets and saves its cache, got ${buildStatus} ${JSON.stringify(cacheUse)}`);
  const { saveMs, restoreMs } = cacheUse;
  return { saveMs, restoreMs, bothMs: saveMs + restoreMs };
}

/** By hand, zstd as it is by default. Out: milliseconds. */
async function tarAndBack(folder) {
  const pack = 'tar -C "$1/tree" -c node_modules | zstd -q -o "$1/by-hand.tar.zst" -f';
  const unpack = 'rm -rf "$1/back" && mkdir "$1/back" && zstd -q -dc "$1/by-hand.tar.zst" | tar -C "$1/back" -x';
  const saveMs = await timed('sh', ['-c', pack, 'sh', folder]);
  rmSync(join(folder, 'back'), { recursive: true, force: true });
  const restoreMs = await timed('sh', ['-c', unpack, 'sh', folder]);
  return { saveMs, restoreMs, bothMs: saveMs + restoreMs };
}
