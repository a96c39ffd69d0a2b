// The programs that a build finds on its PATH, run as a build would: real files, real globs, under each shell that is here.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { compileGlobs } from '#buildspec/globs.js';
import { until } from '#testing/until.js';
import { placeTools } from './build-tools.js';
import { MAX_PAUSES, readEvent } from './events.js';

const FILES = [
  '__tests__/y.js',
  'a/__tests__/x.js',
  'a/__tests__/deep/z.js',
  'a/x.test.ts',
  'a/b c.test.ts',
  'a/$(touch pwned).test.ts',
  'a+b.py',
  'aXb.py',
  '.hidden/h.py',
  'test_1.py',
  'test_22.py',
  'test_a.py',
];

let folder: string;
let bin: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kilnyard-tools-'));
  for (const file of [...FILES, '.git/config.py']) {
    mkdirSync(dirname(join(folder, 'source', file)), { recursive: true });
    writeFileSync(join(folder, 'source', file), '');
  }
  symlinkSync('a', join(folder, 'source/link'));
  bin = await placeTools(placeOf('workspace'), 0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A sandbox, as far as the programs know one. */
function placeOf(name: string): Parameters<typeof placeTools>[0] {
  const dir = join(folder, name);
  return { workspaceDir: dir, buildRoot: dir, controlRoot: join(folder, `${name} 'control'`) };
}

function run(command: string[], env: Record<string, string> = {}): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), {
    cwd: join(folder, 'source'),
    env: { PATH: `${process.env['PATH']}:${bin}`, ...env },
    encoding: 'utf8',
  });
  return { status, out: stdout, err: stderr };
}
const lines = (text: string): string[] => text.split('\n').slice(0, -1);

describe('codebuild-glob-search', () => {
  it.each([
    [['**/__tests__/*.js'], ['__tests__/y.js', 'a/__tests__/x.js']],
    [['**/__tests__/**'], ['__tests__/y.js', 'a/__tests__/deep/z.js', 'a/__tests__/x.js']],
    [['*.py'], ['a+b.py', 'aXb.py', 'test_1.py', 'test_22.py', 'test_a.py']],
    [['a+b.py'], ['a+b.py']],
    [['./test_?.py'], ['test_1.py', 'test_a.py']],
    [['test_[0-9].py'], ['test_1.py']],
    [['test_[!0-9].py'], ['test_a.py']],
    [['{aX,a+}b.py'], ['a+b.py', 'aXb.py']],
    [
      ['**/h.py', '**/*.py', 'test_1.py'],
      ['.hidden/h.py', 'a+b.py', 'aXb.py', 'test_1.py', 'test_22.py', 'test_a.py'],
    ],
    [['a/*.test.ts'], ['a/$(touch pwned).test.ts', 'a/b c.test.ts', 'a/x.test.ts']],
  ])('%j finds each once, in order', (globs, found) => {
    expect(run(['codebuild-glob-search', ...globs])).toEqual({ status: 0, out: `${found.join('\n')}\n`, err: '' });
  });

  it.each(['**/*', '*', 'a/*', 'a/**/*.js', '**/*.test.ts', '*/*/*', 'test_*'])(
    'takes %s as the artifacts do',
    (glob) => {
      const matches = compileGlobs([glob]);
      expect(lines(run(['codebuild-glob-search', glob]).out)).toEqual(
        FILES.filter((file) => matches(file)).sort(byBytes),
      );
    },
  );

  it('says that nothing was found, and how it is called', () => {
    expect(run(['codebuild-glob-search', 'nothing*'])).toMatchObject({
      status: 0,
      out: '',
      err: expect.stringMatching(/No files found/),
    });
    expect(run(['codebuild-glob-search'])).toMatchObject({ status: 2, err: expect.stringMatching(/^usage/) });
  });
});

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe('codebuild-tests-run', () => {
  const tests = (more: string[], index = 0, count = 1) =>
    run(['codebuild-tests-run', ...more], {
      CODEBUILD_SHARD_INDEX: String(index),
      CODEBUILD_SHARD_COUNT: String(count),
    });
  const shards = (names: string[], count: number, how: string): string[][] => {
    writeFileSync(join(folder, 'names'), `${names.join('\n')}\n`);
    const args = [
      '--test-command',
      'printf "%s\\n"',
      '--files-search',
      `cat '${folder}/names'`,
      '--sharding-strategy',
      how,
    ];
    return Array.from({ length: count }, (_, index) => lines(tests(args, index, count).out).slice(1));
  };
  const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `tests/unit/t${index}.py`);

  it('gives the files to the command as words of their own, whatever is in their names', () => {
    const ran = tests([
      '--test-command',
      'printf "<%s>\\n"  \n',
      '--files-search',
      "codebuild-glob-search 'a/*.test.ts'",
    ]);
    expect(ran).toEqual({
      status: 0,
      out: 'codebuild-tests-run: shard 1 of 1 runs 3 of 3 test files (equal-distribution)\n<a/$(touch pwned).test.ts>\n<a/b c.test.ts>\n<a/x.test.ts>\n',
      err: '',
    });
    expect(existsSync(join(folder, 'source/pwned'))).toBe(false);
  });

  it('adds none to a command that takes them from the variable', () => {
    const ran = tests([
      '--test-command=echo "$CODEBUILD_CURRENT_SHARD_FILES"; echo $#',
      "--files-search=printf 'b\\r\\n\\na\\nb\\n'",
    ]);
    expect(lines(ran.out).slice(1)).toEqual(['a', 'b', '0']);
  });

  it.each([1, 2, 3, 5, 7])(
    'distributes 7 files over %i shards: neighbours together, sizes alike, each file once',
    (count) => {
      const parts = shards(names(7), count, 'equal-distribution');
      expect(parts.flat()).toEqual(names(7).sort(byBytes));
      const sizes = parts.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    },
  );

  it('with stability moves no other file when one comes or goes', () => {
    const before = shards(names(100), 4, 'stability');
    expect(before.flat().sort(byBytes)).toEqual(names(100).sort(byBytes));
    expect(Math.min(...before.map(({ length }) => length))).toBeGreaterThan(10);
    const after = shards(
      [...names(100).filter((name) => name !== 'tests/unit/t7.py'), 'tests/unit/new.py'],
      4,
      'stability',
    );
    const same = (part: string[]) => part.filter((name) => !/new|t7\.py/.test(name));
    expect(after.map(same)).toEqual(before.map(same));
  });

  it('with stability a further shard takes files from the others, which exchange none', () => {
    const [before, after] = [shards(names(100), 3, 'stability'), shards(names(100), 4, 'stability')];
    after.slice(0, 3).forEach((part, index) => expect(before[index]).toEqual(expect.arrayContaining(part)));
    expect(after[3]!.length).toBeGreaterThan(5);
  });

  it('runs nothing in a shard that has no file', () => {
    expect(tests(['--test-command', 'echo ran', '--files-search', 'echo one'], 1, 2)).toEqual({
      status: 0,
      out: 'codebuild-tests-run: shard 2 of 2 runs 0 of 1 test files (equal-distribution)\n',
      err: '',
    });
  });

  it.each<[string, string[], number, RegExp]>([
    ['the tests fail', ['--test-command', 'exit 7 #', '--files-search', 'echo a'], 7, /^$/],
    ['the search fails', ['--test-command', 'true', '--files-search', 'exit 4'], 1, /--files-search failed: exit 4/],
    ['nothing is found', ['--test-command', 'true', '--files-search', 'true'], 1, /found no test files: true/],
    ['a command is missing', ['--files-search', 'true'], 2, /needs --test-command/],
    ['the search is missing', ['--test-command', 'true'], 2, /needs --files-search/],
    ['a value is missing', ['--test-command'], 2, /--test-command needs a value/],
    ['an option is unknown', ['--speed', 'x'], 2, /unknown option --speed/],
    [
      'a strategy is unknown',
      ['--test-command', 'a', '--files-search', 'b', '--sharding-strategy', 'luck'],
      2,
      /got luck/,
    ],
  ])('when %s, its status tells', (_, args, status, err) => {
    expect(tests(args)).toMatchObject({ status, err: expect.stringMatching(err) });
  });

  it('works with busybox alone', () => {
    const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(existsSync);
    if (busybox === undefined) throw new Error('expected busybox (Debian: busybox-static) on this machine');
    const applets = join(folder, 'applets');
    mkdirSync(applets);
    execFileSync(busybox, ['--install', '-s', applets]);
    const ran = spawnSync(
      busybox,
      [
        'sh',
        join(bin, 'codebuild-tests-run'),
        '--test-command',
        'printf "<%s>"',
        '--files-search',
        "codebuild-glob-search '**/*.{js,ts}'",
        '--sharding-strategy',
        'stability',
      ],
      { cwd: join(folder, 'source'), env: { PATH: `${applets}:${bin}` }, encoding: 'utf8' },
    );
    expect(ran.stdout.split('\n')[1]).toBe(
      FILES.filter((file) => /\.(js|ts)$/.test(file))
        .sort(byBytes)
        .map((file) => `<${file}>`)
        .join(''),
    );
  });
});

describe('codebuild-breakpoint and codebuild-resume', () => {
  let count = 0;
  /** Where the two wait for each other; events of before are `already`. */
  async function place(limitMs: number, already = ''): Promise<{ tools: string; events: string }> {
    count += 1;
    const sandbox = placeOf(`debug-${count}`);
    mkdirSync(sandbox.controlRoot);
    const events = join(sandbox.controlRoot, 'events');
    writeFileSync(events, already);
    return { tools: await placeTools(sandbox, limitMs), events };
  }
  const told = (events: string): unknown[] =>
    readFileSync(events, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map(readEvent)
      .filter((event) => event !== null);
  function breakpoint(tools: string): Promise<[status: number | null, out: string]> {
    const child = spawn(join(tools, 'codebuild-breakpoint'), { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    return once(child, 'close').then(([status]) => [status as number | null, out]);
  }
  const isPaused = (events: string, number: number): Promise<void> =>
    until('it waits', async () => readFileSync(events, 'utf8').includes(`pause ${number} `));

  it('waits until it is run', async () => {
    const { tools, events } = await place(600_000, 'start\n');
    const ended = breakpoint(tools);
    await isPaused(events, 1);
    expect(run([join(tools, 'codebuild-resume')])).toEqual({ status: 0, out: '', err: '' });
    const [status, out] = await ended;
    expect([status, lines(out)]).toEqual([
      0,
      [
        expect.stringContaining(`at most 10 min. It goes on after ${tools}/codebuild-resume`),
        'codebuild-breakpoint: the build goes on',
      ],
    ]);
    expect(told(events)).toMatchObject([
      { kind: 'start' },
      { kind: 'pause', number: 1 },
      { kind: 'resume', number: 1, by: 'build' },
    ]);
  });

  it('is ended by a line of the worker, also behind half a line of the build’s own', async () => {
    const { tools, events } = await place(600_000, 'pause 1 5\nresume 1 build\n');
    const ended = breakpoint(tools);
    await isPaused(events, 2);
    appendFileSync(events, 'half');
    appendFileSync(events, '\nresume 1 api\n\nresume 2 api\n');
    expect((await ended)[0]).toBe(0);
  });

  it('ends by itself after its limit', async () => {
    const { tools, events } = await place(1);
    expect(await breakpoint(tools)).toEqual([0, expect.stringMatching(/the time is up, the build goes on\n$/)]);
    expect(told(events)).toMatchObject([{ kind: 'pause' }, { kind: 'resume', number: 1, by: 'limit' }]);
  });

  it('is passed over where the build is not to be paused, and after too many', async () => {
    const { tools, events } = await place(0);
    expect(run([join(tools, 'codebuild-breakpoint')])).toEqual({
      status: 0,
      out: 'codebuild-breakpoint: passed over, since the build was not started with debugSessionEnabled\n',
      err: '',
    });
    expect(readFileSync(events, 'utf8')).toBe('');
    const many = await place(600_000, 'pause 1 5\n'.repeat(MAX_PAUSES));
    expect(run([join(many.tools, 'codebuild-breakpoint')]).out).toMatch(
      /passed over, since the build was paused 100 times/,
    );
  });

  it('says that nothing is paused', async () => {
    const { tools } = await place(600_000, 'pause 1 5\nresume 1 limit\n');
    expect(run([join(tools, 'codebuild-resume')])).toEqual({
      status: 1,
      out: '',
      err: 'codebuild-resume: the build is not paused\n',
    });
  });
});
