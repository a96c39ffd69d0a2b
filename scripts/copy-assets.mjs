// Copies what the compiler leaves behind into dist: files beside the sources that the program reads (shell scripts, say).
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HOME = dirname(dirname(fileURLToPath(import.meta.url)));

/** Every file under apps and libs that is neither TypeScript nor text for people, to the same place under dist. */
export function copyAssets(home = HOME) {
  for (const folder of ['apps', 'libs'].filter((name) => existsSync(join(home, name)))) {
    for (const entry of readdirSync(join(home, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || /\.(ts|md)$/.test(entry.name)) continue;
      const from = join(entry.parentPath, entry.name);
      const to = join(home, 'dist', from.slice(home.length + 1));
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(from, to);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) copyAssets();
