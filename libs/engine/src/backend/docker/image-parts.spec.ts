// The parts of images.ts that need no engine.
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { appendFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrivateImages } from './private-images.js';
import { PullProgress } from './pull-progress.js';
import { RegistryCredentials, parseRegistryCredentials } from './registry-credentials.js';
import { SharedPulls } from './shared-pulls.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kilnyard-image-parts-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the list of private images', () => {
  const image = { id: 'sha256:1', repoTags: ['r.example.com/a:1'], repoDigests: ['r.example.com/a@sha256:2'] };
  const nameless = { id: 'sha256:1', repoTags: [], repoDigests: [] };

  it('knows an image by its repository and by its id, in every process', async () => {
    const [here, there] = [new PrivateImages(join(folder, 'f')), new PrivateImages(join(folder, 'f'))];
    expect(await there.has(image)).toBe(false);
    await here.addRepository('r.example.com/a');
    expect([await here.has(image), await there.has(image), await there.has(nameless)]).toEqual([true, true, false]);
    await there.addImage('sha256:1');
    expect(await here.has(nameless)).toBe(true);
    expect((await stat(join(folder, 'f'))).mode & 0o777).toBe(0o600);
  });

  it('loses nothing to a line that a crash cut short', async () => {
    await writeFile(join(folder, 'f'), 'image sha256:9\nreposit');
    const list = new PrivateImages(join(folder, 'f'));
    await list.addImage('sha256:1');
    await appendFile(join(folder, 'f'), 'repo');
    expect(await new PrivateImages(join(folder, 'f')).has(nameless)).toBe(true);
    expect(await list.has({ ...nameless, id: 'sha256:9' })).toBe(true);
  });

  it('tells of a file that it cannot read rather than calling everything free', async () => {
    await expect(new PrivateImages(folder).has(image)).rejects.toThrow();
  });
});

describe('the progress of a pull', () => {
  it('counts layers and bytes, whatever order they come in', () => {
    const progress = new PullProgress();
    expect(String(progress)).toBe('asking the registry');
    for (const message of [
      { id: '20', status: 'Pulling from library/node' },
      { id: 'a', status: 'Already exists' },
      { id: 'b', status: 'Pulling fs layer' },
      { id: 'c', status: 'Pulling fs layer' },
      { id: 'c', status: 'Waiting' },
      { id: 'b', status: 'Downloading', progressDetail: { current: 1_500_000, total: 4_000_000 } },
      { status: 'Digest: sha256:1' },
    ])
      progress.hear(message);
    expect(String(progress)).toBe('1 of 3 layers, 1.5 of 4.0 MB');
    progress.hear({ id: 'b', status: 'Extracting', progressDetail: { current: 1, total: 9 } });
    progress.hear({ id: 'b', status: 'Pull complete' });
    expect(String(progress)).toBe('2 of 3 layers, 4.0 of 4.0 MB');
  });

  it.each([[{ id: 1, status: 2 }], [{}], [{ id: 'a', status: 'Downloading', progressDetail: 'x' }]])(
    'takes %j for what it is',
    (message) => {
      const progress = new PullProgress();
      progress.hear(message);
      expect(progress.bytes).toBe(0);
    },
  );
});

describe("the operator's credentials", () => {
  const auth = Buffer.from('me:pass:word').toString('base64');
  it.each([
    ['as docker login writes them', { 'https://index.docker.io/v1/': { auth } }, 'docker.io', 'pass:word'],
    ['by host and port', { 'r.example.com:5000': { auth } }, 'r.example.com:5000', 'pass:word'],
    ['in words', { r: { username: 'me', password: 'w' } }, 'r', 'w'],
  ])('%s', (_, auths, registry, password) => {
    expect(parseRegistryCredentials(JSON.stringify({ auths })).get(registry)).toEqual({ username: 'me', password });
  });

  it('pass over what has none', () => {
    expect(parseRegistryCredentials('{"auths":{"a":{},"b":null,"c":{"auth":"bm9jb2xvbg=="}}}').size).toBe(0);
  });

  it.each(['', '{', '[]', '{"auths":1}'])('are refused as %j, without a word of what is in them', (text) => {
    expect(() => parseRegistryCredentials(text)).toThrow(/^expected/);
  });

  it('are read again when the file changes; a missing file is told', async () => {
    const file = join(folder, 'auth.json');
    const credentials = new RegistryCredentials(file);
    await expect(credentials.for('r')).rejects.toMatchObject({ code: 'INTERNAL' });
    await writeFile(file, '{"auths":{}}');
    expect(await credentials.for('r')).toBeUndefined();
    await writeFile(file, JSON.stringify({ auths: { r: { auth } } }));
    expect(await credentials.for('r')).toEqual({ username: 'me', password: 'pass:word' });
  });
});

describe('a shared pull', () => {
  const waiter = (signal = new AbortController().signal) => ({ say: jest.fn<(text: string) => void>(), signal });

  it('runs once for all who want it, and again for those who come later', async () => {
    const pulls = new SharedPulls();
    let finish: () => void = () => undefined;
    const pull = jest.fn(() => new Promise<void>((resolve) => (finish = resolve)));
    const [one, two] = [waiter(), waiter()];
    const both = [pulls.join('a', one, pull), pulls.join('a', two, pull)];
    await Promise.resolve();
    finish();
    await Promise.all(both);
    expect(pull).toHaveBeenCalledTimes(1);
    expect([one.say.mock.calls.length, two.say.mock.calls.length]).toEqual([0, 1]);
    await pulls.join('a', one, async () => undefined);
  });

  it('is cut when the last has left, and a new one begins for who comes then', async () => {
    const pulls = new SharedPulls();
    const seen: AbortSignal[] = [];
    const pull = (_: unknown, signal: AbortSignal): Promise<void> => {
      seen.push(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cut'))));
    };
    const [first, second] = [new AbortController(), new AbortController()];
    const one = pulls.join('a', waiter(first.signal), pull);
    const two = pulls.join('a', waiter(second.signal), pull);
    await Promise.resolve();
    first.abort(new Error('one left'));
    await expect(one).rejects.toThrow('one left');
    expect(seen[0]?.aborted).toBe(false);
    second.abort(new Error('two left'));
    await expect(two).rejects.toThrow('two left');
    expect(seen[0]?.aborted).toBe(true);
    await pulls.join('a', waiter(), async () => undefined);
  });

  it('fails for each with the same words', async () => {
    const pulls = new SharedPulls();
    const fail = async (): Promise<void> => {
      throw new Error('no');
    };
    const all = [pulls.join('a', waiter(), fail), pulls.join('a', waiter(), fail)];
    expect((await Promise.allSettled(all)).map((one) => (one as PromiseRejectedResult).reason.message)).toEqual([
      'no',
      'no',
    ]);
  });
});
