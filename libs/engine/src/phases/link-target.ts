// What a symbolic link among a build's artifacts leads to, without ever following one. Called by upload-artifacts.ts.
import { posix } from 'node:path';
import type { Sandbox, SandboxFile } from '../backend/backend.js';

/** Links that lead to links. */
const MAX_STEPS = 8;

/**
 * The regular file that a link in the build's workspace stands for. In: `path` of the link, absolute inside.
 * Out: null when it leads to no regular file, out of the workspace, round in a circle, or by way of a folder that is itself a link.
 */
export async function linkTarget(sandbox: Sandbox, path: string, link: SandboxFile): Promise<SandboxFile | null> {
  let at = path;
  let file: SandboxFile = link;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    at = posix.resolve(posix.dirname(at), file.linkTarget ?? '');
    if (!at.startsWith(`${sandbox.buildRoot}/`)) return null;
    const found = await sandbox.entry(at);
    if (found === null || found.type === 'directory') return null;
    if (found.type === 'file') return found;
    file = found;
  }
  return null;
}
