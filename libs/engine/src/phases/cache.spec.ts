// In which order a cache is restored behind a key whose commands ran. What a cache does for builds is in test/scenarios and test/docker.
import { expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { newProjectSettings } from '#testing/factories.js';
import { FakeClock } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import type { CacheUse } from '#core/build.js';
import type { BuildRun } from '../build-run.js';
import { LogPipeline } from '../logs/pipeline.js';
import { restoreCache } from './cache.js';

/** What happened to the sandbox, in order, and what was written of it. */
async function restored(key: string, broken: Partial<Record<'freeze' | 'unpack', Error>> = {}) {
  const happened: string[] = [];
  const written: CacheUse[] = [];
  const clock = new FakeClock();
  const sink = new RecordingSink();
  const step = (name: string) => async (): Promise<void> => {
    happened.push(name);
    const error = broken[name as keyof typeof broken];
    if (error !== undefined) throw error;
  };
  const bytes = Readable.from([Buffer.alloc(0)]);
  const packed = { codec: 'gzip', workspaceOnly: false, bytes };
  const entry = { key: 'k-1', exact: true, from: 'own', sizeBytes: 5, sourceFolder: null, packed };
  const run = {
    request: { build: { settings: newProjectSettings() } },
    ports: {
      clock,
      cache: { restore: async () => entry },
      journal: { setCache: async (use: CacheUse) => void written.push(use) },
    },
    log: new LogPipeline({ sink, clock }),
    signal: new AbortController().signal,
    sandbox: {
      buildRoot: '/codebuild/output',
      workspaceOurs: true,
      runAside: async (script: string) => {
        happened.push('runAside');
        const mark = /[0-9a-f]{32}/.exec(script)![0];
        return { exitCode: 0, output: Buffer.from(`k-1\n${mark}\n`), errors: Buffer.alloc(0) };
      },
      freeze: step('freeze'),
      unpack: step('unpack'),
      resume: step('resume'),
    },
    source: {
      plan: { cache: { paths: ['x'], key, fallbackKeys: [], action: 'both' } },
      sourceDir: '/codebuild/output/src1/src',
      cacheKey: null,
    },
  };
  await restoreCache(run as unknown as BuildRun, [{ name: 'ONE', value: '1' }]);
  await run.log.end();
  expect(bytes.destroyed).toBe(true);
  return { happened, use: written.at(-1)!, said: sink.texts.join('\n'), cacheKey: run.source.cacheKey };
}

it.each<[string, string, string[]]>([
  ['nothing stands still where no command has run', 'k-$ONE', ['unpack']],
  ['everything does where one has', 'k-$(echo 1)', ['runAside', 'freeze', 'unpack', 'resume']],
])('%s', async (_, key, expected) => {
  const { happened, use, cacheKey } = await restored(key);
  expect([happened, use.result, cacheKey]).toEqual([expected, 'hit', 'k-1']);
});

it.each<['freeze' | 'unpack', string[]]>([
  ['freeze', ['runAside', 'freeze', 'resume']],
  ['unpack', ['runAside', 'freeze', 'unpack', 'resume']],
])('goes on, without a cache, when it fails to %s', async (what, expected) => {
  const { happened, use, said } = await restored('k-$(echo 1)', { [what]: new Error('no engine') });
  expect([happened, use.result]).toEqual([expected, 'miss']);
  expect(said).toContain('The cache could not be restored, the build goes on without: no engine');
});
