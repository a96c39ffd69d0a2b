// Serves the example's repository over HTTP, as a Git host would, on a port of 127.0.0.1 that is kept from start to start
// (the worker's mirror of it is known by its URL).
import { join } from 'node:path';
import { serveGit } from '#forge/git-http-backend.js';
import { keptPort } from './data-folder.js';
import { commitFolder } from './example-repository.js';
import { EXAMPLE_PROJECT } from './example.js';
import { freePort } from './free-port.js';

/** Commits examples/hello-node where it changed, and serves it. Out: the repository's URL. */
export async function serveExample(
  home: string,
  folder: string,
): Promise<{ url: string; commit: string; close(): Promise<void> }> {
  const root = join(folder, 'git');
  const commit = await commitFolder(join(home, 'examples', EXAMPLE_PROJECT), join(root, `${EXAMPLE_PROJECT}.git`));
  const port = await keptPort(folder, 'git', freePort);
  const server = await serveGit({ root, port });
  return { url: `${server.url}/${EXAMPLE_PROJECT}.git`, commit, close: () => server.close() };
}
