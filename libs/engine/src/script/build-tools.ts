// Programs of Kilnyard's own that a build finds on its PATH, as CodeBuild's images have them. They lie in the build's workspace, beside the
// source: the one place of a sandbox whose files the worker can write and the build can run.
import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';

export const BUILD_TOOLS = ['codebuild-glob-search', 'codebuild-tests-run'] as const;
const FOLDER = '.kilnyard/bin';
const TEXTS = BUILD_TOOLS.map((name) => ({ name, text: readFileSync(new URL(`./tools/${name}.sh`, import.meta.url)) }));

/**
 * Writes them, before the script is handed over.
 * In: the workspace on this host and what it is called inside. Out: their folder, inside; it belongs at the end of the PATH.
 * Errors: those of the file system.
 */
export async function placeTools(sandbox: { workspaceDir: string; buildRoot: string }): Promise<string> {
  const folder = join(sandbox.workspaceDir, FOLDER);
  await mkdir(folder, { recursive: true });
  await Promise.all(
    TEXTS.map(async ({ name, text }) => {
      await writeFile(join(folder, name), text);
      await chmod(join(folder, name), 0o755); // whatever the worker's umask is
    }),
  );
  return posix.join(sandbox.buildRoot, FOLDER);
}
