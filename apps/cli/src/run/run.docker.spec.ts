// `kilnyard run` as a person starts it, on a real engine: the program is run from its folder, and nothing of it may be left behind.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testDocker } from '#testing/docker-leaks.js';
import { until } from '#testing/until.js';

const PROGRAM = fileURLToPath(new URL('../../kilnyard.mjs', import.meta.url));
const IMAGE = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
const docker = testDocker();

let dir: string;
let source: string;
/** Of runs that this test may have left: those that others have under way at the same time are not ours. */
let ours: Set<string>;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kilnyard-cli-run-'));
  source = join(dir, 'my app');
  mkdirSync(source);
  mkdirSync(join(dir, 'temp'));
  ours = new Set();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Running {
  child: ChildProcess;
  said: { out: string; err: string };
  ended: Promise<number | null>;
}

function start(args: string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [PROGRAM, 'run', ...args], {
    cwd: source,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: dir,
      TMPDIR: join(dir, 'temp'),
      KILNYARD_DOCKER_SOCKET: process.env['KILNYARD_TEST_DOCKER_SOCKET'] ?? '/var/run/docker.sock',
      KILNYARD_DEFAULT_IMAGE: IMAGE,
      KILNYARD_IMAGE_PULL_ATTEMPTS: '1',
      ...env,
    },
  });
  const said = { out: '', err: '' };
  child.stdout!.on('data', (part: Buffer) => {
    said.out += part.toString();
    noteRuns();
  });
  child.stderr!.on('data', (part: Buffer) => (said.err += part.toString()));
  return { child, said, ended: once(child, 'close').then(([status]) => status as number | null) };
}

async function run(args: string[], env?: Record<string, string>) {
  const { said, ended } = start(args, env);
  return { status: await ended, ...said };
}

/** The ids of runs whose folder is there now. */
function noteRuns(): void {
  for (const name of readdirSync(join(dir, 'temp'))) ours.add(name.replace('kilnyard-run-', ''));
}

async function left(): Promise<string[]> {
  const found = readdirSync(join(dir, 'temp'));
  for (const id of ours) {
    const label = [`kilnyard.instance=run-${id}`];
    found.push(...(await docker.listContainers({ all: true, filters: { label } })).map(({ Names }) => Names.join()));
    found.push(...(await docker.listNetworks({ filters: { label } })).map(({ Name }) => Name));
    if (process.getuid?.() === 0 && rules().includes(`krun${id}`)) found.push(`rules of krun${id}`);
  }
  return found;
}

function rules(): string {
  return execFileSync(
    '/bin/sh',
    ['-c', 'PATH=$PATH:/usr/sbin:/sbin; ! command -v iptables >/dev/null || iptables -w 5 -S'],
    {
      encoding: 'utf8',
    },
  );
}

function buildspec(text: string): void {
  writeFileSync(join(source, 'buildspec.yml'), text);
}

/** Each path of the source with what tells a change: mode, times, content. */
function snapshot(): string {
  return execFileSync(
    '/bin/sh',
    ['-c', 'find . -printf "%p %m %T@ %C@ %l\\n" | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum'],
    {
      cwd: source,
      encoding: 'utf8',
    },
  );
}

const SLEEPS = 'version: 0.2\nphases: {build: {commands: ["echo it runs", "sleep 600"]}}\n';

describe('kilnyard run', () => {
  it('runs the build of the folder it is started in, keeps what it made, and writes nothing into the folder', async () => {
    buildspec(`version: 0.2
env:
  variables: {A: buildspec, B: buildspec, C: buildspec}
  parameter-store: {P: /app/key}
  secrets-manager: {S: "db:password"}
phases:
  build:
    commands:
      - 'echo "variables: $A $B $C"'
      - 'echo "secrets: $P and $S"'
      - 'echo "commit: $CODEBUILD_RESOLVED_SOURCE_VERSION, $(cat .git/HEAD)"'
      - 'echo "beside: $(cat $CODEBUILD_SRC_DIR_lib/lib.txt), ignored: $(cat ignored.txt)"'
      - 'echo "program: $(./tool.sh)"'
      - 'mkdir out && echo made > out/made.txt && echo changed >> kept.txt && rm ignored.txt'
      - 'echo "<testsuite><testcase name=\\"good\\"/><testcase name=\\"bad\\"><failure message=\\"no\\"/></testcase></testsuite>" > junit.xml'
artifacts:
  files: ['**/*']
  base-directory: out
  secondary-artifacts: {docs: {files: [kept.txt]}}
reports: {unit: {files: [junit.xml]}}
`);
    writeFileSync(join(source, 'kept.txt'), 'kept\n');
    writeFileSync(join(source, '.gitignore'), 'ignored.txt\n');
    writeFileSync(join(source, 'ignored.txt'), 'there');
    writeFileSync(join(source, 'tool.sh'), '#!/bin/sh\necho executable\n');
    chmodSync(join(source, 'tool.sh'), 0o755);
    mkdirSync(join(dir, 'lib'));
    writeFileSync(join(dir, 'lib', 'lib.txt'), 'the library');
    writeFileSync(join(dir, 'my.env'), 'A=file\nB=file\n');
    const secrets = { parameters: { '/app/key': 'parameter-value' }, secrets: { db: { password: 'secret-value' } } };
    writeFileSync(join(dir, 'secrets.json'), JSON.stringify(secrets));
    const git = (...args: string[]): string =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: source, encoding: 'utf8' });
    git('init', '-q', '-b', 'trunk');
    git('add', '.');
    git('commit', '-q', '-m', 'first');
    const commit = git('rev-parse', 'HEAD').trim();
    const before = snapshot();

    const args = ['-s', '.', '-s', 'lib:../lib', '-e', '../my.env', '-e', 'A=flag', '--secrets', '../secrets.json'];
    const { status, out, err } = await run([...args, '-a', '../kept']);

    expect({ status, err }).toEqual({
      status: 0,
      err: expect.stringMatching(/my-app:[0-9a-f-]{36} on \S+ SUCCEEDED\n$/),
    });
    const lines = out.split('\n').filter((line) => !line.startsWith('[Container]'));
    expect(lines).toEqual([
      'variables: flag file buildspec',
      'secrets: *** and ***',
      `commit: ${commit}, ref: refs/heads/trunk`,
      'beside: the library, ignored: there',
      'program: executable',
      '',
    ]);
    expect(out).toContain('Phase complete: UPLOAD_ARTIFACTS State: SUCCEEDED');
    expect(out).not.toContain('\u001b');
    expect(err).toContain(
      'kilnyard: report my-app-unit: FAILED, 2 tests, 1 failed, 0 skipped\nkilnyard:   failed: bad\n',
    );
    expect(readFileSync(join(dir, 'kept', 'made.txt'), 'utf8')).toBe('made\n');
    expect(readFileSync(join(dir, 'kept', 'docs', 'kept.txt'), 'utf8')).toBe('kept\nchanged\n');
    expect(readdirSync(join(dir, 'kept')).sort()).toEqual(['docs', 'made.txt']);
    expect(snapshot()).toBe(before);
    expect(ours.size).toBe(1);
    expect(await left()).toEqual([]);
  }, 120_000);

  it('keeps the cache in a folder, for the next run', async () => {
    buildspec(`version: 0.2
phases: {build: {commands: ['echo "found: $(cat deps/one 2>/dev/null)"', 'mkdir -p deps; echo saved > deps/one']}}
cache: {paths: ['deps/**/*'], key: deps}
`);
    expect((await run(['--cache', '../cache'])).out).toContain('found: \n');
    expect((await run(['--cache', '../cache'])).out).toContain('found: saved\n');
    expect((await run([])).out).toContain('found: \n');
    expect(await left()).toEqual([]);
  }, 120_000);

  it('exits with 1 for a build that fails, and says where', async () => {
    buildspec(
      'version: 0.2\nphases: {build: {commands: ["echo before", "exit 7"]}}\nartifacts: {files: [buildspec.yml]}\n',
    );
    const { status, out, err } = await run([]);
    expect(status).toBe(1);
    expect(out).toContain('before\n');
    expect(err).toContain('FAILED: BUILD COMMAND_EXECUTION_ERROR Error while executing command: exit 7.');
    expect(await left()).toEqual([]);
  }, 120_000);

  it('runs it again when the buildspec asks for that', async () => {
    buildspec('version: 0.2\nphases: {build: {commands: ["echo one attempt", "false"], on-failure: RETRY-1}}\n');
    const { status, out, err } = await run([]);
    expect(status).toBe(1);
    expect(out.match(/^one attempt$/gm)).toHaveLength(2);
    expect(err).toContain('attempt 1 failed');
    expect(await left()).toEqual([]);
  }, 120_000);

  it('stops the build at Ctrl-C', async () => {
    buildspec(SLEEPS);
    const { child, said, ended } = start([]);
    await until('the build runs', () => said.out.includes('\nit runs\n'));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(said.out).toContain('Phase complete: BUILD State: STOPPED');
    expect(await left()).toEqual([]);
  }, 120_000);

  it('leaves at once at the second Ctrl-C, or killed; the next run clears up behind it', async () => {
    buildspec(SLEEPS);
    const twice = start([]);
    const killed = start([]);
    for (const { said } of [twice, killed]) await until('the build runs', () => said.out.includes('\nit runs\n'));
    killed.child.kill('SIGKILL');
    twice.child.kill('SIGSTOP');
    twice.child.kill('SIGINT');
    await killed.ended;
    // both signals are there before the program hears of one
    twice.child.kill('SIGTERM');
    twice.child.kill('SIGCONT');
    expect(await twice.ended).toBe(130);
    expect(twice.said.err).toContain('left at once');
    expect(ours.size).toBe(2);
    expect(await left()).not.toEqual([]);
    buildspec('version: 0.2\nphases: {build: {commands: ["true"]}}\n');
    const { status, err } = await run([]);
    expect([status, err]).toEqual([0, expect.stringContaining('cleared up behind 2 earlier run(s)')]);
    expect(await left()).toEqual([]);
  }, 120_000);

  it('stops the build when nobody reads its output any more', async () => {
    buildspec('version: 0.2\nphases: {build: {commands: ["yes"]}}\n');
    const { child, said, ended } = start([]);
    await until('the build runs', () => said.out.includes('\ny\n'));
    child.stdout!.destroy();
    expect(await ended).toBe(130);
    expect(await left()).toEqual([]);
  }, 120_000);

  it('exits with 1 for an image that is not to be had', async () => {
    buildspec('version: 0.2\nphases: {build: {commands: ["true"]}}\n');
    const { status, out } = await run(['-i', 'localhost:1/none:1']);
    expect(status).toBe(1);
    expect(out).toContain("BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE Message: Unable to pull customer's container image");
    expect(await left()).toEqual([]);
  }, 120_000);

  // who is not root lays them from a container, which this cannot keep from doing so
  const itAsRoot = process.getuid?.() === 0 ? it : it.skip;
  itAsRoot(
    'says so when the build can reach this machine, since no rules could be laid',
    async () => {
      buildspec('version: 0.2\nphases: {build: {commands: ["true"]}}\n');
      // what is found first on PATH refuses: as on a machine without the right to lay rules
      const bin = join(dir, 'bin');
      mkdirSync(bin);
      for (const name of ['iptables', 'iptables-restore']) {
        writeFileSync(join(bin, name), '#!/bin/sh\necho "may not" >&2\nexit 4\n');
        chmodSync(join(bin, name), 0o755);
      }
      const { status, err } = await run([], { PATH: `${bin}:${process.env['PATH']}` });
      expect(status).toBe(0);
      expect(err).toContain('the build can reach this machine over its network');
      expect(await left()).toEqual([]);
    },
    120_000,
  );
});
