// Room: source. What may be asked for, and what hostile repositories may not do.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lstat, mkdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isAllowedAddress } from './checked-address.js';
import { checkGitLocation, mirrorName } from './git-location.js';
import { relativeTo } from './git-submodules.js';
import { parseVersion } from './git-version.js';
import { readSourceFile } from './source-file.js';
import { newWorld, type TestRepository, type World } from './testing.js';

describe('locations', () => {
  it.each([
    { text: 'ext::sh -c "touch /tmp/x"', why: 'a command' },
    { text: 'ext::ssh@host:x', why: 'a command that looks like ssh' },
    { text: 'file:///etc', why: 'local files by URL' },
    { text: 'git://host/x', why: 'unauthenticated protocol' },
    { text: 'ftp://host/x', why: 'protocol without use' },
    { text: '--upload-pack=touch /tmp/x', why: 'an option' },
    { text: '-oProxyCommand=x', why: 'an option' },
    { text: 'ssh://-oProxyCommand=x/y', why: 'an option as ssh host' },
    { text: 'git@-oProxyCommand=x:y', why: 'an option as scp host' },
    { text: '-x@host:y', why: 'an option as user' },
    { text: 'git@host:-y', why: 'an option as path' },
    { text: 'https://host/x\n[core]', why: 'a line break' },
    { text: 'https://host/x\u0000', why: 'NUL' },
    { text: 'https://host', why: 'no repository' },
    { text: 'https://host/x?token=1', why: 'a query' },
    { text: '../relative', why: 'a relative path' },
    { text: '/etc', why: 'a local path that is not allowed' },
    { text: `https://host/${'x'.repeat(3_000)}`, why: 'too long' },
    { text: '', why: 'empty' },
    { text: undefined, why: 'absent' },
  ])('refuses $why', async ({ text }) => {
    await expect(checkGitLocation(text, [])).rejects.toMatchObject({ code: 'SOURCE_NOT_ALLOWED' });
  });

  it.each([
    { text: 'https://GitHub.com/a/b.git', url: 'https://github.com/a/b.git', protocol: 'https' },
    { text: 'https://u:p@host:8443/a/b/', url: 'https://host:8443/a/b', protocol: 'https' },
    { text: 'http://[::1]:80/a', url: 'http://[::1]/a', protocol: 'http' },
    { text: 'git@github.com:a/b.git', url: 'git@github.com:a/b.git', protocol: 'ssh' },
    { text: 'ssh://git@host:22/a', url: 'ssh://git@host:22/a', protocol: 'ssh' },
  ])('takes $text', async ({ text, url, protocol }) => {
    expect(await checkGitLocation(text, [])).toMatchObject({ url, shown: url, protocol });
  });

  it('shows no password in a refusal, and gives one mirror to one repository', async () => {
    await expect(checkGitLocation('ftp://bob:hunter2@host/x', [])).rejects.not.toMatchObject({
      message: expect.stringContaining('hunter2'),
    });
    const [a, b] = await Promise.all(
      ['https://u:p@host/a', 'https://HOST/a/'].map((text) => checkGitLocation(text, [])),
    );
    expect(mirrorName(a!)).toBe(mirrorName(b!));
  });
});

it.each([
  '--upload-pack=x',
  '-x',
  'a b',
  'a..b',
  'a:b',
  'a~1',
  'main^',
  'a?',
  'a*',
  'a\n',
  'a\u0000',
  '@{1}',
  'a.lock',
  '.a',
  'a//b',
  'x^{-x}',
  '@',
])('refuses the version %j', (version) => {
  expect(() => parseVersion(version, 'GIT')).toThrow(expect.objectContaining({ code: 'SOURCE_NOT_ALLOWED' }));
});

it.each([
  { address: '169.254.169.254', allowed: false },
  { address: '::ffff:169.254.169.254', allowed: false },
  { address: '::ffff:a9fe:a9fe', allowed: false },
  { address: '64:ff9b::a9fe:a9fe', allowed: false },
  { address: 'fe80::1', allowed: false },
  { address: 'fd00:ec2::254', allowed: false },
  { address: '0.0.0.0', allowed: false },
  { address: '127.0.0.1', allowed: true },
  { address: '10.0.0.1', allowed: true },
  { address: '2606:4700::1111', allowed: true },
])('address $address is allowed: $allowed', ({ address, allowed }) => {
  expect(isAllowedAddress(address)).toBe(allowed);
});

it.each([
  { parent: 'https://host/a/b.git', url: '../c.git', out: 'https://host/a/c.git' },
  { parent: 'https://host/a/b', url: './c', out: 'https://host/a/b/c' },
  { parent: 'git@host:a/b', url: '../../x/c', out: 'git@host:x/c' },
])('resolves the submodule URL $url of $parent', ({ parent, url, out }) => {
  expect(relativeTo({ url: parent }, url)).toBe(out);
});

describe('repositories of strangers', () => {
  let world: World;
  let repository: TestRepository;
  let url: string;
  beforeEach(async () => {
    world = await newWorld();
    repository = await world.repository('app');
    url = `${world.server.url}/app.git`;
  });
  afterEach(() => world.close());
  const submodules = { gitSubmodulesConfig: { fetchSubmodules: true } };

  async function link(name: string, target: string): Promise<void> {
    const { symlink } = await import('node:fs/promises');
    await symlink(target, join(repository.work, name));
  }

  it('keep their symlinks, which nothing of ours follows out', async () => {
    await link('buildspec.yml', '/etc/passwd');
    await link('up', '../../..');
    await link('round', 'round');
    await link('inside', 'sub/real.yml');
    await repository.commit({ 'sub/real.yml': 'version: 0.2', 'odd\nname': 'x', '.git-hooks/post-checkout': 'exit 1' });
    const { into } = await world.fetch({ location: url });
    expect(await readlink(join(into, 'buildspec.yml'))).toBe('/etc/passwd');
    expect(await readFile(join(into, 'odd\nname'), 'utf8')).toBe('x');
    for (const path of ['buildspec.yml', 'up/etc/passwd', 'round', '../x', '/etc/passwd', 'sub/../../x', 'sub']) {
      await expect(readSourceFile(into, path, 100)).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
    }
    expect((await readSourceFile(into, 'inside', 100))?.toString()).toBe('version: 0.2');
    await expect(readSourceFile(into, 'sub/real.yml', 5)).rejects.toMatchObject({
      message: expect.stringContaining('allowed are 5'),
    });
    expect(await readSourceFile(into, 'none/here.yml', 100)).toBeNull();
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [join(into, 'fifo')]);
    await expect(readSourceFile(into, 'fifo', 100)).rejects.toMatchObject({
      message: expect.stringContaining('not a regular file'),
    });
  });

  it('bring their submodules when asked, by relative URL and nested, with the credential of the same host', async () => {
    const inner = await world.repository('inner');
    const innermost = await world.repository('innermost');
    const deepest = await innermost.commit({ 'deep.txt': 'deep' });
    await addSubmodule(inner, 'deep', '../innermost.git', deepest);
    const innerCommit = await inner.git('rev-parse', 'HEAD');
    await addSubmodule(repository, 'lib/inner', '../inner.git', innerCommit);
    const plain = await world.fetch({ location: url });
    expect(await lstat(join(plain.into, 'lib/inner/deep')).catch(() => null)).toBeNull();
    const guarded = (await world.serve({ auth: { username: 'x', password: 'only-here' } })).url;
    const { into } = await world.fetch(
      {
        location: `${guarded}/app.git`,
        gitCloneDepth: 1,
        auth: { type: 'SECRETS_MANAGER', resource: 's' },
        ...submodules,
      },
      undefined,
      { secret: () => Promise.resolve('{"username":"x","password":"only-here"}') },
    );
    expect(await readFile(join(into, 'lib/inner/deep/deep.txt'), 'utf8')).toBe('deep');
    expect(await world.filesWith('only-here')).toEqual([]);
  });

  it.each([
    { sub: 'ext::sh -c "touch pwned"', why: 'a command' },
    { sub: '--upload-pack=touch pwned', why: 'an option' },
    { sub: '/etc', why: 'a local path' },
    { sub: 'file:///etc', why: 'local files' },
    { sub: '../../../../../x', why: 'climbing off the host' },
  ])('get no submodule whose URL is $why', async ({ sub }) => {
    const commit = await repository.commit({ a: 'x' });
    await addSubmodule(repository, 'lib', sub, commit);
    const failed = world.fetch({ location: url, ...submodules }, undefined, { localPaths: ['/etc'] });
    await expect(failed).rejects.toMatchObject({
      code: 'CLIENT_ERROR',
      message: expect.stringContaining('submodule lib'),
    });
  });

  async function addSubmodule(to: TestRepository, path: string, from: string, commit: string): Promise<void> {
    await mkdir(to.work, { recursive: true });
    await to.git('config', '-f', '.gitmodules', `submodule.${path}.path`, path);
    await to.git('config', '-f', '.gitmodules', `submodule.${path}.url`, from);
    await to.git('add', '.gitmodules');
    await to.git('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`);
    await to.commitStaged();
  }
});
