// Where the files of an artifact or a report are looked for.
import { posix } from 'node:path';
import { compileGlobs } from '#buildspec/globs.js';
import type { BuildRun } from '../build-run.js';

/** The base directory, or the folders that it matches when it is a pattern (codebuild-contract C5). */
export async function baseFolders(run: BuildRun, baseDirectory: string): Promise<string[]> {
  const base = posix.resolve(run.source!.sourceDir, baseDirectory);
  if (!/[*?[]/.test(baseDirectory)) return [base];
  const parent = posix.dirname(base);
  const matches = compileGlobs([posix.basename(base)]);
  const folders: string[] = [];
  for await (const file of run.sandbox!.files(parent, run.signal)) {
    if (file.type === 'directory' && !file.path.includes('/') && matches(file.path))
      folders.push(posix.join(parent, file.path));
  }
  return folders;
}
