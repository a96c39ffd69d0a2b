// What `kilnyard run` says before it has an engine: no test here needs one.
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readSource } from '../read-source.js';
import { UsageError } from '../command.js';
import { localBuild, projectNameOf } from './local-build.js';
import type { Outside } from './outside.js';
import { readRunArguments } from './run-arguments.js';
import { runCommand } from './run-command.js';

let dir: string;
beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'kilnyard-run-spec-')));
  await mkdir(join(dir, 'app', 'ci'), { recursive: true });
  await mkdir(join(dir, 'temp'));
  const text =
    'version: 0.2\nphases: {build: {commands: [make]}}\nartifacts: {secondary-artifacts: {docs: {files: [a]}}}';
  await writeFile(join(dir, 'app', 'buildspec.yml'), text);
  await writeFile(join(dir, 'app', 'ci', 'other.yml'), text);
  await writeFile(join(dir, 'apart.yml'), text);
  await writeFile(join(dir, 'wrong.yml'), 'version: 9\n');
  await writeFile(join(dir, 'a.env'), 'A=file\nB=file\n');
});
afterAll(() => rm(dir, { recursive: true }));

function outside(env: Record<string, string> = {}): Outside {
  return {
    cwd: join(dir, 'app'),
    env: { KILNYARD_DOCKER_SOCKET: '/nowhere/docker.sock', ...env },
    tempDir: join(dir, 'temp'),
    hostName: 'laptop',
    userName: 'me',
    colour: false,
    write: () => Promise.reject(new Error('no build runs here')),
    onStop: () => () => undefined,
    leave: () => undefined,
  };
}
const io = { read: (path: string, limit: number) => readSource(resolve(dir, 'app', path), limit) };

async function run(args: string[], env?: Record<string, string>) {
  const said = { out: '', err: '' };
  const status = await runCommand(
    args,
    { out: (text) => (said.out += text), err: (text) => (said.err += text), ...io },
    outside(env),
  );
  return { status, ...said };
}

function build(...args: string[]) {
  return localBuild(readRunArguments(args), io, outside(), { defaultImage: 'standard:1' });
}

describe('kilnyard run without an engine', () => {
  it('exits with 3, says where it looked, and leaves nothing', async () => {
    const { status, out, err } = await run([]);
    expect([status, out]).toEqual([3, '']);
    expect(err).toContain('no Docker Engine answers at /nowhere/docker.sock');
    expect(await readdir(join(dir, 'temp'))).toEqual([]);
  });

  it('shows what is wrong with the buildspec, and runs nothing', async () => {
    const { status, err } = await run(['-b', '../wrong.yml']);
    expect(status).toBe(1);
    expect(err).toContain('../wrong.yml:1:10: error: version: expected 0.2 or 0.1, got 9');
  });

  it.each([
    [['-s', 'none'], 'there is no folder none'],
    [['-s', 'x:none'], 'there is no folder none'],
    [['-b', 'none.yml'], 'app/none.yml'],
    [['-e', 'none.env'], 'app/none.env'],
    [['--secrets', 'none.json'], 'app/none.json'],
    [['-a', 'buildspec.yml'], 'expected a folder, got the file buildspec.yml'],
    [['-s', '..', '-b', 'app/buildspec.yml'], 'holds the folder of temporary files'],
  ])('%j is asked wrongly', async (args, message) => {
    await expect(run(args)).rejects.toThrow(UsageError);
    await expect(run(args)).rejects.toThrow(message);
  });

  it('names a setting that is wrong', async () => {
    await expect(run([], { KILNYARD_LOG_LINE_BYTES: 'many' })).rejects.toThrow('KILNYARD_LOG_LINE_BYTES');
  });
});

describe('the build of a local run', () => {
  it('has what a project would say', async () => {
    const { projectName, initiator, settings } = await build();
    expect([projectName, initiator]).toEqual(['app', 'me']);
    expect(settings).toMatchObject({
      source: { type: 'GIT', location: join(dir, 'app') },
      artifacts: { type: 'NO_ARTIFACTS' },
      cache: { type: 'NO_CACHE' },
      environment: { image: 'standard:1', privilegedMode: false, computeType: 'BUILD_GENERAL1_SMALL' },
    });
    expect(settings.source.buildspec).toBeUndefined();
  });

  it('asks for a privileged container, another size and a fresh image only when told to', async () => {
    const { settings } = await build(
      '--privileged',
      '--pull',
      '--compute-type',
      'BUILD_GENERAL1_LARGE',
      '--timeout',
      '5',
    );
    expect(settings).toMatchObject({
      environment: { privilegedMode: true, imagePullPolicy: 'ALWAYS', computeType: 'BUILD_GENERAL1_LARGE' },
      timeoutInMinutes: 5,
    });
    expect((await build()).settings.environment).toMatchObject({
      privilegedMode: false,
      imagePullPolicy: 'IF_NOT_PRESENT',
    });
  });

  it('names the secondary artifacts that the buildspec has', async () => {
    const { settings } = await build('-a', 'out');
    expect(settings.artifacts.type).toBe('S3');
    expect(settings.secondaryArtifacts).toMatchObject([{ type: 'S3', artifactIdentifier: 'docs' }]);
  });

  it('takes a buildspec of the source by its path, one of elsewhere by its text', async () => {
    expect((await build('-b', 'ci/other.yml')).settings.source.buildspec).toBe('ci/other.yml');
    expect((await build('-b', '../apart.yml')).settings.source.buildspec).toMatch(/^version: 0.2\n[^]*\n$/);
  });

  it('lets the later of two variables win', async () => {
    const { settings } = await build('-e', 'B=flag', '-e', '../a.env', '-e', 'A=flag');
    const named = settings.environment.environmentVariables.map(({ name, value }) => [name, value]);
    expect(Object.fromEntries(named)).toEqual({ A: 'flag', B: 'file' });
  });

  it.each([
    ['/home/me/my app', 'my-app'],
    ['/home/me/.dotfiles', 'dotfiles'],
    ['/', 'local'],
    ['/home/me/é', 'local'],
  ])('is named after its folder: %s', (folder, name) => {
    expect(projectNameOf(folder)).toBe(name);
  });
});
