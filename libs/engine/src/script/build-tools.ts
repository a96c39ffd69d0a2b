// Programs of Kilnyard's own that a build finds on its PATH, as CodeBuild's images have them. They lie in the build's workspace, beside the
// source: the one place of a sandbox whose files the worker can write and the build can run.
import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { MAX_PAUSES } from './events.js';
import { shellQuote } from './shell-quote.js';

export const BUILD_TOOLS = [
  'codebuild-breakpoint',
  'codebuild-glob-search',
  'codebuild-resume',
  'codebuild-tests-run',
] as const;
const FOLDER = '.kilnyard/bin';
const TEXTS = BUILD_TOOLS.map((name) => ({
  name,
  text: readFileSync(new URL(`./tools/${name}.sh`, import.meta.url), 'utf8'),
}));

/**
 * Writes them, before the script is handed over.
 * In: the workspace on this host and what it and the control folder are called inside; how long codebuild-breakpoint may pause the build
 * (ms), 0 where it may not. Out: their folder, inside; it belongs at the end of the PATH.
 * Errors: those of the file system.
 */
export async function placeTools(
  sandbox: { workspaceDir: string; buildRoot: string; controlRoot: string },
  pauseLimitMs: number,
): Promise<string> {
  const folder = join(sandbox.workspaceDir, FOLDER);
  await mkdir(folder, { recursive: true });
  const values: Record<string, string> = {
    '@EVENTS@': shellQuote(`${sandbox.controlRoot}/events`),
    '@SECONDS@': String(Math.ceil(pauseLimitMs / 1000)),
    '@MOST@': String(MAX_PAUSES),
  };
  await Promise.all(
    TEXTS.map(async ({ name, text }) => {
      await writeFile(join(folder, name), filled(text, values));
      await chmod(join(folder, name), 0o755); // whatever the worker's umask is
    }),
  );
  return posix.join(sandbox.buildRoot, FOLDER);
}

function filled(text: string, values: Record<string, string>): string {
  return text.replace(/@[A-Z]+@/g, (word) => values[word] ?? word);
}
