// Real public buildspecs, kept beside the repository and not in it: for tests alone.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from '@jest/globals';

const FOLDER = fileURLToPath(new URL('../../../../../shared/data/buildspecs/', import.meta.url));

export interface RealBuildspec {
  file: string;
  text: string;
}

/** In the order of their names; none where the folder is missing. */
export const realBuildspecs: RealBuildspec[] = existsSync(FOLDER)
  ? readdirSync(FOLDER)
      .filter((file) => /\.ya?ml$/.test(file))
      .sort()
      .map((file) => ({ file, text: readFileSync(FOLDER + file, 'utf8') }))
  : [];

/** Names the features that people marked each file with; empty where there is no manifest. */
export function manifest(): { file: string; features: string[] }[] {
  const path = `${FOLDER}manifest.json`;
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { file: string; features: string[] }[]) : [];
}

/** Says what is not checked, in the terminal and as a skipped test, which the last line of `npm test` counts. */
export function skipLoudly(what: string): void {
  console.warn(`SKIPPED: no buildspecs in ${FOLDER}; ${what}`);
  describe('real buildspecs', () => {
    it.skip(`SKIPPED because ${FOLDER} is missing`, () => undefined);
  });
}
