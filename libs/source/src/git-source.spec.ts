// Room: source. Git sources against the real git over loopback HTTP: versions, depth, what a second fetch costs, credentials, limits.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newWorld, type TestRepository, type World } from './testing.js';

let world: World;
let repository: TestRepository;
let url: string;
beforeEach(async () => {
  world = await newWorld();
  repository = await world.repository('app');
  url = `${world.server.url}/app.git`;
});
afterEach(() => world.close());

const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'safe.directory=*', ...args], { cwd, encoding: 'utf8' }).trim();
const served = () => world.requests.reduce((sum, { responseBytes }) => sum + responseBytes, 0);

describe('versions', () => {
  it('resolves branches, tags, commits, pull requests and full refs', async () => {
    const first = await repository.commit({ 'a.txt': 'one' });
    await repository.git('tag', '-a', 'v1', '-m', 'v1');
    const second = await repository.commit({ 'a.txt': 'two' });
    await repository.git('checkout', '-q', '-b', 'feature/x');
    const feature = await repository.commit({ 'a.txt': 'three' });
    await repository.push('HEAD:refs/pull/7/head', 'HEAD:refs/merge-requests/8/head');
    const table: [string | undefined, string][] = [
      [undefined, second],
      ['main', second],
      ['feature/x', feature],
      ['v1', first],
      [first, first],
      [first.slice(0, 10), first],
      ['pr/7', feature],
      ['pr/8', feature],
      ['refs/heads/main', second],
      [`refs/heads/main^{${first}}`, first],
      [`main^{${first}}`, first],
    ];
    for (const [index, [version, expected]] of table.entries()) {
      // Shallow and full by turns, so that the mirror is cut, deepened and whole along the way.
      const gitCloneDepth = index % 2 === 0 ? 1 : 0;
      const { into, resolvedVersion } = await world.fetch({ location: url, gitCloneDepth }, version);
      expect([version, gitCloneDepth, resolvedVersion]).toEqual([version, gitCloneDepth, expected]);
      expect(git(into, 'rev-parse', 'HEAD')).toBe(expected);
      expect(git(into, 'status', '--porcelain')).toBe('');
    }
  }, 60_000);

  it.each([
    { version: 'nope', shown: 'nope' },
    { version: 'pr/99', shown: 'pr/99' },
    { version: 'refs/heads/gone', shown: 'refs/heads/gone' },
    { version: '0'.repeat(39) + '1', shown: '0'.repeat(39) + '1' },
    { version: 'abcdef0', shown: 'abcdef0' },
  ])('says that there is no $shown', async ({ version, shown }) => {
    await repository.commit({ a: 'x' });
    const failed = world.fetch({ location: url }, version);
    await expect(failed).rejects.toMatchObject({
      code: 'CLIENT_ERROR',
      message: expect.stringContaining(`${shown} was not found in ${url}`),
    });
  });

  it('detaches the head and leaves an origin that a person can fetch from', async () => {
    await repository.commit({ a: 'x' });
    const { into } = await world.fetch({ location: url }, 'main');
    expect(() => git(into, 'symbolic-ref', 'HEAD')).toThrow();
    expect(git(into, 'remote', 'get-url', 'origin')).toBe(url);
    // Not the synchronous git: the server is in this process.
    await promisify(execFile)('git', ['fetch', '-q', 'origin'], { cwd: into });
  });
});

describe('the mirror', () => {
  it('is filled shallow, and a second fetch brings only what is new', async () => {
    for (let n = 0; n < 4; n += 1)
      await repository.commit({ [`big${n}`]: randomBytes(200_000), 'same.txt': String(n) });
    await repository.git('rm', '-q', 'big0', 'big1', 'big2');
    await repository.commitStaged();
    const shallow = await world.fetch({ location: url, gitCloneDepth: 1 });
    expect(git(shallow.into, 'rev-list', '--count', 'HEAD')).toBe('1');
    const first = served();
    expect(first).toBeGreaterThan(200_000);
    expect(first).toBeLessThan(400_000);

    const next = await repository.commit({ 'small.txt': 'new' });
    world.requests.length = 0;
    const again = await world.fetch({ location: url, gitCloneDepth: 1 });
    expect(again.resolvedVersion).toBe(next);
    expect(served()).toBeLessThan(20_000);

    world.requests.length = 0;
    const full = await world.fetch({ location: url });
    expect(git(full.into, 'rev-list', '--count', 'HEAD')).toBe('6');
    const deepened = served();
    expect(deepened).toBeGreaterThan(500_000);

    world.requests.length = 0;
    const unchanged = await world.fetch({ location: url });
    expect(unchanged.resolvedVersion).toBe(next);
    expect(served()).toBeLessThan(5_000);
    expect(git(unchanged.into, 'fsck', '--full', '--no-dangling')).toBe('');
    const cut = await world.fetch({ location: url, gitCloneDepth: 2 });
    expect(git(cut.into, 'rev-list', '--count', 'HEAD')).toBe('2');
  }, 30_000);

  it('gives a checkout the history and the tags of its commit, and nothing else that it holds', async () => {
    await repository.commit({ a: 'x' });
    await repository.git('tag', '-a', 'v1', '-m', 'v1');
    await repository.git('tag', 'light');
    await repository.git('checkout', '-q', '-b', 'side');
    const side = await repository.commit({ b: 'of another branch' });
    await repository.git('tag', '-a', 'v2', '-m', 'v2');
    await repository.git('checkout', '-q', 'main');
    await repository.commit({ c: 'y' });
    await world.fetch({ location: url }, 'side');

    const { into } = await world.fetch({ location: url }, 'main');
    expect(git(into, 'describe')).toMatch(/^v1-1-g/);
    expect(git(into, 'tag', '--list').split('\n')).toEqual(['light', 'v1']);
    expect(git(into, 'rev-list', '--count', 'origin/main')).toBe('2');
    expect(() => git(into, 'cat-file', '-e', side)).toThrow();
    expect(git(into, 'fsck', '--full', '--no-dangling')).toBe('');

    const tagged = await world.fetch({ location: url }, 'v1');
    expect(git(tagged.into, 'cat-file', '-t', 'refs/tags/v1')).toBe('tag');
    expect(git(tagged.into, 'describe')).toBe('v1');
  }, 30_000);

  it('is copied from ahead of the answer, and the copy counts only when the remote has the same', async () => {
    await repository.commit({ a: 'one', 'gone.txt': 'x' });
    await repository.git('tag', 'twice');
    await repository.push('twice');
    const first = await world.fetch({ location: url }, 'main');
    world.lines.length = 0;
    expect((await world.fetch({ location: url }, 'main')).resolvedVersion).toBe(first.resolvedVersion);
    expect(world.lines).toContain('Nothing new to receive');

    await repository.git('rm', '-q', 'gone.txt');
    const moved = await repository.commit({ a: 'two' });
    const { into, resolvedVersion } = await world.fetch({ location: url }, 'main');
    expect(resolvedVersion).toBe(moved);
    expect(git(into, 'status', '--porcelain')).toBe('');
    expect((await readdir(into)).sort()).toEqual(['.git', 'a']);

    expect((await world.fetch({ location: url }, 'twice')).resolvedVersion).toBe(first.resolvedVersion);
    await repository.push('HEAD:refs/heads/twice'); // a branch of that name goes before the tag
    expect((await world.fetch({ location: url }, 'twice')).resolvedVersion).toBe(moved);
  }, 30_000);

  it('shares no file with the checkout', async () => {
    await repository.commit({ a: 'x' });
    const { into } = await world.fetch({ location: url });
    expect(await readdir(join(into, '.git', 'objects', 'info')).catch(() => [])).not.toContain('alternates');
    for (const name of await readdir(join(into, '.git', 'objects', 'pack'))) {
      expect((await stat(join(into, '.git', 'objects', 'pack', name))).nlink).toBe(1);
    }
    expect(await world.filesWith(join(world.folder, 'mirrors'))).toEqual([]);
  });

  it('is made anew when it is damaged', async () => {
    const commit = await repository.commit({ a: 'x'.repeat(10_000) });
    await world.fetch({ location: url });
    const mirror = await onlyMirror();
    const packs = (await readdir(join(mirror, 'objects'), { recursive: true, withFileTypes: true })).filter((e) =>
      e.isFile(),
    );
    for (const entry of packs) await writeFile(join(entry.parentPath ?? entry.path, entry.name), 'broken');
    const { resolvedVersion } = await world.fetch({ location: url });
    expect(resolvedVersion).toBe(commit);
    expect(world.lines.join('\n')).toContain('fetching the repository anew');
  });

  it('is not half made when it is no repository at all', async () => {
    const commit = await repository.commit({ a: 'x' });
    await world.fetch({ location: url });
    await writeFile(join(await onlyMirror(), 'HEAD'), 'nonsense');
    expect((await world.fetch({ location: url })).resolvedVersion).toBe(commit);
  });

  it('serves two fetches at once, and clears what a killed git left', async () => {
    const commit = await repository.commit({ a: 'x' });
    await world.fetch({ location: url });
    await writeFile(join(await onlyMirror(), 'shallow.lock'), '');
    const next = await repository.commit({ a: 'y' });
    const both = await Promise.all([
      world.fetch({ location: url, gitCloneDepth: 1 }),
      world.fetch({ location: url }, commit),
    ]);
    expect(both.map(({ resolvedVersion }) => resolvedVersion)).toEqual([next, commit]);
    expect((await readdir(join(world.folder, 'mirrors'))).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it('survives a branch whose name becomes a folder of branches', async () => {
    await repository.commit({ a: 'x' });
    await repository.git('branch', 'topic');
    await repository.push();
    await world.fetch({ location: url }, 'topic');
    await repository.git('push', '-q', repository.bare, ':topic', 'HEAD:refs/heads/topic/one');
    expect((await world.fetch({ location: url }, 'topic/one')).resolvedVersion).toHaveLength(40);
  });
});

describe('credentials', () => {
  const password = 'pa ss/w0rd@%"$x';
  let guarded: string;
  beforeEach(async () => {
    await repository.commit({ a: 'x' });
    guarded = `${(await world.serve({ auth: { username: 'bob', password } })).url}/app.git`;
  });
  const secret = (text: string) => ({ secret: () => Promise.resolve(text) });
  const auth = { type: 'SECRETS_MANAGER', resource: 'git-host' } as const;

  it('reads a guarded repository and leaves no trace of the credential', async () => {
    await world.fetch({ location: guarded, auth }, 'main', secret(JSON.stringify({ username: 'bob', password })));
    await expectNoTrace();
  });

  it('takes the credential out of a location', async () => {
    const { into } = await world.fetch({ location: guarded.replace('//', `//bob:${encodeURIComponent(password)}@`) });
    expect(git(into, 'remote', 'get-url', 'origin')).toBe(guarded);
    await expectNoTrace();
    expect(await readdir(join(world.folder, 'temp'))).toEqual([]);
  });

  it.each([
    { text: JSON.stringify({ username: 'bob', password: 'wrong-secret' }), why: 'wrong password' },
    { text: 'wrong-secret', why: 'a token that the host does not know' },
  ])('says that access was refused, without the credential: $why', async ({ text }) => {
    const failed = world.fetch({ location: guarded, auth }, 'main', secret(text));
    await expect(failed).rejects.toMatchObject({
      code: 'CLIENT_ERROR',
      message: expect.stringContaining(`access to ${guarded} was refused`),
    });
    await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining('wrong-secret') });
  });

  it('asks the host again for a commit that the mirror has', async () => {
    const { resolvedVersion } = await world.fetch(
      { location: guarded, auth },
      'main',
      secret(JSON.stringify({ username: 'bob', password })),
    );
    await expect(world.fetch({ location: guarded }, resolvedVersion)).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
  });

  it('leaves nothing of what the mirror has to whom the host refuses', async () => {
    await world.fetch({ location: guarded, auth }, 'main', secret(JSON.stringify({ username: 'bob', password })));
    await expect(world.fetch({ location: guarded }, 'main')).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
    const folders = (await readdir(join(world.folder, 'into'))).sort();
    expect(folders).toHaveLength(2);
    const left = await readdir(join(world.folder, 'into', folders[1]!), { recursive: true });
    expect(left.filter((path) => !path.startsWith('.git') || /objects\/(pack\/.|..\/)/.test(path))).toEqual([]);
  });

  it('follows a redirect, but never with the credential', async () => {
    const seen: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="trap"' }).end();
    });
    const door = createServer((request, response) => {
      const { port } = other.address() as AddressInfo;
      response.writeHead(301, { location: `http://127.0.0.1:${port}${request.url}` }).end();
    });
    for (const server of [other, door]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(door.address() as AddressInfo).port}/app.git`;
    await expect(world.fetch({ location, auth }, 'main', secret('s3cret'))).rejects.toMatchObject({
      code: 'CLIENT_ERROR',
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen)).toEqual(new Set([undefined]));
    for (const server of [other, door]) await new Promise((resolve) => server.close(resolve));
  });

  it('follows a redirect to where the repository lies now', async () => {
    const door = createServer((request, response) => {
      response.writeHead(301, { location: world.server.url + request.url!.replace('/old.git', '/app.git') }).end();
    });
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    const { resolvedVersion } = await world.fetch({
      location: `http://127.0.0.1:${(door.address() as AddressInfo).port}/old.git`,
    });
    expect(resolvedVersion).toHaveLength(40);
    await new Promise((resolve) => door.close(resolve));
  });

  async function expectNoTrace(): Promise<void> {
    const traces = [password, encodeURIComponent(password), Buffer.from(`bob:${password}`).toString('base64')];
    for (const trace of traces) expect(await world.filesWith(trace)).toEqual([]);
    expect(world.lines.join('\n')).not.toContain('ss/w0rd');
  }
});

describe('limits', () => {
  it('stops a repository that is too large, and keeps no mirror of it', async () => {
    await repository.commit({ big: randomBytes(3_000_000) });
    const failed = world.fetch({ location: url }, 'main', { maxBytes: 1_000_000 });
    await expect(failed).rejects.toMatchObject({
      code: 'SOURCE_TOO_LARGE',
      message: expect.stringMatching(/takes \d+ bytes.*1000000/),
    });
    expect(await readdir(join(world.folder, 'mirrors'))).toEqual([]);
  });

  it.each([
    { how: 'abort', code: undefined },
    { how: 'timeout', code: 'SOURCE_FETCH_FAILED' },
  ])('ends in the middle of a transfer by $how, without half state', async ({ how, code }) => {
    const commit = await repository.commit({ a: 'x' });
    await world.fetch({ location: url });
    const stop = new AbortController();
    const reason = new Error('stopped by the test');
    // Lists its refs like the real one, then never sends the pack.
    let waiting = () => undefined as void;
    const door = createServer((request, response) => {
      if (request.url!.endsWith('/git-upload-pack') && stalled++ > 0) return waiting();
      void fetch(world.server.url + request.url, {
        method: request.method!,
        headers: { 'git-protocol': 'version=2', 'content-type': request.headers['content-type'] ?? '' },
        ...(request.method === 'POST' ? { body: request as unknown as ReadableStream, duplex: 'half' } : {}),
      } as RequestInit).then(async (answer) => {
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! });
        response.end(Buffer.from(await answer.arrayBuffer()));
      });
    });
    let stalled = 0;
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(door.address() as AddressInfo).port}/app.git`;
    if (how === 'abort') waiting = () => void setTimeout(() => stop.abort(reason), 50);
    const failed = world.fetch({ location }, 'main', how === 'timeout' ? { timeoutMs: 1_500 } : {}, stop.signal);
    await expect(failed).rejects.toMatchObject(code ? { code } : { message: reason.message });
    expect((await readdir(join(world.folder, 'mirrors'))).filter((name) => name.endsWith('.lock'))).toEqual([]);
    expect(await readdir(join(world.folder, 'mirrors'))).toHaveLength(1);
    door.closeAllConnections();
    await new Promise((resolve) => door.close(resolve));
    expect((await world.fetch({ location: url })).resolvedVersion).toBe(commit);
  });

  it('says when nobody answers', async () => {
    await expect(world.fetch({ location: 'http://127.0.0.1:1/x.git' })).rejects.toMatchObject({
      code: 'SOURCE_FETCH_FAILED',
    });
    await expect(world.fetch({ location: `${world.server.url}/none.git` })).rejects.toMatchObject({
      code: 'CLIENT_ERROR',
    });
  });

  it('refuses metadata addresses before git runs', async () => {
    await expect(world.fetch({ location: 'http://169.254.169.254/x.git' })).rejects.toMatchObject({
      code: 'SOURCE_NOT_ALLOWED',
    });
  });
});

describe('local repositories', () => {
  it('are read under an allowed folder only, links resolved', async () => {
    const commit = await repository.commit({ a: 'x' });
    const allowed = { localPaths: [join(world.folder, 'served')] };
    expect((await world.fetch({ location: repository.bare }, 'main', allowed)).resolvedVersion).toBe(commit);
    await mkdir(join(world.folder, 'served', 'links'));
    await symlink(repository.work, join(world.folder, 'served', 'links', 'out'));
    for (const location of [
      repository.work,
      join(world.folder, 'served', 'links', 'out'),
      join(world.folder, 'served', '..', 'work', 'app'),
    ]) {
      await expect(world.fetch({ location }, 'main', allowed)).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
    }
    await expect(world.fetch({ location: repository.bare })).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
  });
});

async function onlyMirror(): Promise<string> {
  const names = (await readdir(join(world.folder, 'mirrors'))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  expect(names).toHaveLength(1);
  const mirror = join(world.folder, 'mirrors', names[0]!);
  expect(await readFile(join(mirror, 'HEAD'), 'utf8')).toContain('ref:');
  return mirror;
}
