// What a key comes to, with a sandbox of plain processes for those that need a shell.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMPUTE_TYPES } from '#core/compute-type.js';
import { FakeClock } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import { FakeBackend } from '../backend/fake/fake-backend.js';
import type { Sandbox } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import { LogPipeline } from '../logs/pipeline.js';
import { cacheKeys } from './cache-key.js';

let folder: string;
let backend: FakeBackend;
let sandbox: Sandbox;
let source: string;
let sink: RecordingSink;
let run: BuildRun;
let asked: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cache-key-'));
  backend = new FakeBackend(join(folder, 'sandboxes'));
  const image = { id: 'fake:any', digest: 'fake:any@sha256:fake' };
  const spec = { buildId: 'b', attempt: 1, workerId: 'w', projectName: 'p', image, privileged: false };
  sandbox = await backend.create({ ...spec, limits: COMPUTE_TYPES.BUILD_GENERAL1_SMALL });
  asked = 0;
  const runAside = sandbox.runAside.bind(sandbox);
  sandbox.runAside = (script, signal) => {
    asked += 1;
    return runAside(script, signal);
  };
  source = join(sandbox.workspaceDir, 'src');
  await mkdir(join(source, 'web/.git'), { recursive: true });
  await mkdir(join(source, '.git'));
  for (const [name, text] of [
    ['package-lock.json', '1'],
    ['web/package-lock.json', '2'],
    ['.git/index', 'of this clone'],
  ] as const)
    await writeFile(join(source, name), text);
  sink = new RecordingSink();
  const clock = new FakeClock();
  run = {
    ports: { clock },
    log: new LogPipeline({ sink, clock }),
    signal: signalOf(),
    sandbox,
    source: { sourceDir: source },
  } as unknown as BuildRun;
});
afterEach(async () => {
  await backend.clear();
  await rm(folder, { recursive: true, force: true });
});
const signalOf = (): AbortSignal => new AbortController().signal;

const VARIABLES = [
  { name: 'TAG', value: 'first' },
  { name: 'TAG', value: 'v1' },
  { name: 'QUOTED', value: `it's "so"` },
];
const keys = (key: string | null, ...fallbackKeys: string[]) =>
  cacheKeys(run, { paths: ['x'], key, fallbackKeys, action: 'both' }, VARIABLES);
const hashOf = async (...patterns: string[]) => (await keys(`$(codebuild-hash-files ${patterns.join(' ')})`)).key;

describe('a key', () => {
  it.each<[string, string, boolean]>([
    ['npm-$TAG-${TAG}', 'npm-v1-v1', false],
    ['plain', 'plain', false],
    ['$QUOTED', `it's "so"`, false],
    ['n-$(echo "$TAG" | tr v V)', 'n-V1', true],
    ['${TAG#v}-${NONE:-x}', '1-x', true],
    ['$(cat web/package-lock.json)-$NONE', '2-', true],
    ['`echo old`', 'old', true],
    ['two$(printf "\\n")', 'two', true],
  ])('%s', async (text, key, ranCommands) => {
    expect(await keys(text)).toEqual({ key, fallbacks: [], ranCommands });
    expect(asked).toBe(ranCommands ? 1 : 0);
  });

  it('is empty without one, and asks nobody', async () => {
    expect(await keys(null)).toEqual({ key: '', fallbacks: [], ranCommands: false });
  });

  it('and all its fallbacks come out of one shell; what is empty or no key matches nothing', async () => {
    expect(await keys('k-$(echo 1)', 'k-$TAG', '$(true)', '$(printf "a\\\\tb")', 'k-')).toEqual({
      key: 'k-1',
      fallbacks: ['k-v1', 'k-'],
      ranCommands: true,
    });
    expect(asked).toBe(1);
  });

  it('with a secret in it leaves here masked', async () => {
    run.log.addSecrets(['s3cret-value']);
    expect((await keys('k-$(echo s3cret-value)')).key).toBe('k-***');
  });

  it.each([
    ['$(exit 3)', 'it is empty'],
    ['$NONE', 'it is empty'],
    ['${NONE?is not set}', 'its shell ended with exit status'],
    ['$(printf "a\\\\nb")', 'control characters'],
    [`k${'x'.repeat(1024)}`, 'at most 1024 bytes'],
    ['$(codebuild-hash-files ../x)', 'files of the source'],
    ['$(codebuild-hash-files /etc/passwd)', 'files of the source'],
    ['$(codebuild-hash-files $(ls))', 'takes file patterns'],
  ])('%s is none', async (text, why) => {
    await expect(keys(text)).rejects.toThrow(why);
  });

  it('whose commands do not end is given up', async () => {
    const clock = run.ports.clock as FakeClock;
    const waiting = keys('$(sleep 600)');
    waiting.catch(() => undefined); // awaited below
    while (asked === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await clock.advance(61_000);
    await expect(waiting).rejects.toThrow('more than 60 s');
  });
});

describe('codebuild-hash-files', () => {
  it('tells files by name and content, of one folder or many', async () => {
    const before = await hashOf('package-lock.json');
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(await hashOf(`${source}/package-lock.json`)).toBe(before);
    expect(await hashOf("'**/package-lock.json'")).toBe(await hashOf('web/*.json', 'package-lock.json'));
    expect(await hashOf('web/package-lock.json')).not.toBe(before);
    await writeFile(join(source, 'package-lock.json'), '1!');
    expect(await hashOf('package-lock.json')).not.toBe(before);
    expect(asked).toBe(0);
  });

  it('is the same for two clones of one commit', async () => {
    const before = await hashOf("'**/*'");
    await writeFile(join(source, '.git/index'), 'of another clone');
    expect(await hashOf("'**/*'")).toBe(before);
  });

  it('follows no link, and counts where it leads', async () => {
    await writeFile(join(folder, 'outside'), 'a');
    await symlink(join(folder, 'outside'), join(source, 'link'));
    const before = await hashOf('link');
    await writeFile(join(folder, 'outside'), 'b');
    expect(await hashOf('link')).toBe(before);
    await rm(join(source, 'link'));
    await symlink('elsewhere', join(source, 'link'));
    expect(await hashOf('link')).not.toBe(before);
  });

  it('of no file says so and is the hash of nothing', async () => {
    expect(await hashOf('absent')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    await run.log.end();
    expect(sink.texts.join('\n')).toContain('codebuild-hash-files: no file matches absent');
  });
});
