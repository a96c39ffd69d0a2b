import { describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { compile } from '#buildspec/compile.js';
import { parseBuildspec } from '#buildspec/parse.js';
import type { SandboxFile } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import { planRuntimes } from './runtimes.js';

const RUNTIMES = 'runtimes: {nodejs: {versions: {18: {commands: [n 18, node -v]}}}}';
const asking = 'version: 0.2\nphases: {install: {runtime-versions: {nodejs: $NODE}, commands: [npm ci]}}';

/** The log, and what INSTALL has to run, in an image with this file; `looked` counts how often the image was looked into. */
async function planned(buildspec: string, text: string | null, sizeBytes = 100) {
  const said: string[] = [];
  let looked = 0;
  const file = { type: 'file', sizeBytes, open: async () => Readable.from([Buffer.from(text ?? '')]) };
  const files = async function* (): AsyncGenerator<SandboxFile> {
    looked += 1;
    yield { ...file, path: 'other.yml', open: async () => Readable.from([]) } as unknown as SandboxFile;
    if (text !== null) yield { ...file, path: 'runtimes.yml' } as unknown as SandboxFile;
  };
  const run = { log: { say: async (line: string) => void said.push(line) }, sandbox: { files } } as unknown as BuildRun;
  const plan = compile(parseBuildspec(buildspec).buildspec);
  await planRuntimes(run, plan, [{ name: 'NODE', value: '18' }]);
  const { runtimes, commands } = plan.phases[0]!;
  return { said, looked, runtimes, commands };
}

describe('runtime-versions', () => {
  it('are the commands of the image’s file, before those of install', async () => {
    expect(await planned(asking, RUNTIMES)).toEqual({
      said: ["Selecting 'nodejs' runtime version '18' based on manual selections..."],
      looked: 1,
      runtimes: ['n 18', 'node -v'],
      commands: ['npm ci'],
    });
  });

  it('on another image are a warning in the log', async () => {
    expect(await planned(asking, null)).toMatchObject({
      said: ['Skipping install of runtimes. Runtime version selection is not supported by this build image.'],
      runtimes: [],
      commands: ['npm ci'],
    });
  });

  it('that are not asked for cost no look into the image', async () => {
    expect(await planned('version: 0.2', RUNTIMES)).toMatchObject({
      said: ['No runtime version selected in buildspec.'],
      looked: 0,
      runtimes: [],
    });
  });

  it.each([
    ['no YAML', 'runtimes: [', 100, /runtimes\.yml cannot be read: .*/],
    ['too large a file', RUNTIMES, 10 * 1024 ** 2, /has 10485760 bytes: expected at most 524288/],
    ['another version', 'runtimes: {nodejs: {versions: {20: {commands: [n 20]}}}}', 100, /Unknown runtime version/],
  ])('end with YAML_FILE_ERROR on an image with %s', async (_, text, size, message) => {
    await expect(planned(asking, text, size)).rejects.toMatchObject({
      code: 'YAML_FILE_ERROR',
      message: expect.stringMatching(message),
    });
  });
});
