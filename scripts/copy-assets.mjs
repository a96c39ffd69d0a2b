// The files beside the sources that tsc does not carry into dist: the shell parts of a build's script.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HOME = join(dirname(fileURLToPath(import.meta.url)), '..');
const ASSET = /\.sh$/;

/** Copies every asset of libs and apps to its place in dist. */
export function copyAssets() {
  for (const room of ['libs', 'apps'])
    for (const entry of readdirSync(join(HOME, room), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !ASSET.test(entry.name)) continue;
      const from = join(entry.parentPath, entry.name);
      const to = join(HOME, 'dist', from.slice(HOME.length + 1));
      mkdirSync(dirname(to), { recursive: true });
      cpSync(from, to);
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) copyAssets();
