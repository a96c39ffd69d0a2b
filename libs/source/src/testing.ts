// Room: source, tests only. Repositories made with the real git, served over loopback HTTP, and a fetcher on temp folders.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ProjectSource } from '#core/project.js';
import {
  serveGit,
  type GitServer,
  type ServedRequest,
  type ServeGitOptions,
} from '../../forge/src/git-http-backend.js';
import { SourceFetcherService, type SourceFetcherOptions } from './source-fetcher.js';

const run = promisify(execFile);
const IDENTITY = {
  GIT_AUTHOR_NAME: 'T',
  GIT_AUTHOR_EMAIL: 't@example.com',
  GIT_COMMITTER_NAME: 'T',
  GIT_COMMITTER_EMAIL: 't@example.com',
};

/** A work tree with its bare repository `<root>/<name>.git`. */
export class TestRepository {
  constructor(
    readonly work: string,
    readonly bare: string,
  ) {}

  async git(...args: string[]): Promise<string> {
    const env = {
      ...process.env,
      ...IDENTITY,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_ALLOW_PROTOCOL: 'file',
    };
    return (await run('git', args, { cwd: this.work, env })).stdout.trim();
  }

  /** Writes files, commits, pushes all branches and tags. Out: the commit id. */
  async commit(files: Record<string, string | Buffer>, message = 'change'): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.work, name)), { recursive: true });
      await writeFile(join(this.work, name), text);
    }
    await this.git('add', '-A');
    return this.commitStaged(message);
  }

  async commitStaged(message = 'change'): Promise<string> {
    await this.git('commit', '-q', '--allow-empty', '-m', message);
    await this.push();
    return this.git('rev-parse', 'HEAD');
  }

  async push(...refspecs: string[]): Promise<void> {
    await this.git(
      'push',
      '-q',
      '--force',
      '--tags',
      this.bare,
      ...(refspecs.length ? refspecs : ['refs/heads/*:refs/heads/*']),
    );
  }
}

export interface World {
  folder: string;
  requests: ServedRequest[];
  lines: string[];
  server: GitServer;
  repository(name: string): Promise<TestRepository>;
  serve(options?: Partial<ServeGitOptions>): Promise<GitServer>;
  fetcher(options?: Partial<SourceFetcherOptions>): SourceFetcherService;
  /** Fetches into a new folder. */
  fetch(
    source: Partial<ProjectSource>,
    version?: string,
    options?: Partial<SourceFetcherOptions>,
    signal?: AbortSignal,
  ): Promise<Fetched>;
  /** Names of all files under the mirrors, the temp folder and the last target that hold a text. */
  filesWith(text: string): Promise<string[]>;
  close(): Promise<void>;
}

export interface Fetched {
  into: string;
  resolvedVersion?: string;
}

export async function newWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'source-'));
  for (const name of ['served', 'work', 'mirrors', 'temp', 'into']) await mkdir(join(folder, name));
  const servers: GitServer[] = [];
  const requests: ServedRequest[] = [];
  const lines: string[] = [];
  let targets = 0;
  const serve = async (options: Partial<ServeGitOptions> = {}): Promise<GitServer> => {
    const server = await serveGit({
      root: join(folder, 'served'),
      onRequest: (request) => requests.push(request),
      ...options,
    });
    servers.push(server);
    return server;
  };
  const fetcher = (options: Partial<SourceFetcherOptions> = {}): SourceFetcherService =>
    new SourceFetcherService({
      mirrorsDir: join(folder, 'mirrors'),
      tempDir: join(folder, 'temp'),
      maxBytes: 2 ** 28,
      timeoutMs: 60_000,
      localPaths: [],
      secret: () => Promise.reject(new Error('no secret is expected')),
      upload: () => Promise.reject(new Error('no upload is expected')),
      ...options,
    });
  const server = await serve();
  return {
    folder,
    requests,
    lines,
    server,
    serve,
    fetcher,
    repository: async (name) => {
      const [work, bare] = [join(folder, 'work', name), join(folder, 'served', `${name}.git`)];
      await run('git', ['init', '-q', '--bare', '-b', 'main', bare]);
      await run('git', ['init', '-q', '-b', 'main', work]);
      return new TestRepository(work, bare);
    },
    fetch: async (source, version, options, signal = new AbortController().signal) => {
      const into = join(folder, 'into', String((targets += 1)));
      await mkdir(into);
      const whole: ProjectSource = { type: 'GIT', ...source };
      const say = (text: string): void => void lines.push(text);
      return { into, ...(await fetcher(options).fetch({ source: whole, version, into, say, signal })) };
    },
    filesWith: async (text) => {
      const found: string[] = [];
      for (const area of ['mirrors', 'temp', 'into']) {
        for (const entry of await readdir(join(folder, area), { recursive: true, withFileTypes: true })) {
          const path = join(entry.parentPath ?? entry.path, entry.name);
          const content = entry.isFile()
            ? await readFile(path)
            : entry.isSymbolicLink()
              ? Buffer.from(await readlink(path))
              : null;
          if (content?.includes(text)) found.push(path);
        }
      }
      return found;
    },
    close: async () => {
      await Promise.all(servers.map((each) => each.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
