// `npm run bench [-- NAME…]`: the benchmarks of scripts/bench, each against a baseline of its own run. They work on dist.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HOME, newSay, setUp } from './setup.mjs';

const folder = join(HOME, 'scripts/bench');
const all = readdirSync(folder).map((file) => file.replace(/\.mjs$/, ''));
const [first, ...rest] = process.argv.slice(2);
if (first !== undefined && !all.includes(first)) {
  console.error(`no benchmark ${first}; there are ${all.join(', ')}`);
  process.exit(1);
}
await setUp(newSay(Date.now()));
for (const name of first === undefined ? all : [first]) {
  console.log(`\n== ${name}`);
  const { status } = spawnSync(process.execPath, [join(folder, `${name}.mjs`), ...rest], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
