import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PulledImages, repositoryOf } from './pulled-images.js';

const ID = `sha256:${'a'.repeat(64)}`;
const NAME = 'a'.repeat(64);

let dir: string;
let images: PulledImages;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pulled-'));
  images = new PulledImages(join(dir, 'images'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('images that Kilnyard pulled', () => {
  it('are kept with their repositories, the least recently used first', async () => {
    expect(await images.list()).toEqual([]);
    await images.add(ID, 'node');
    await images.add(ID, 'mirror.local/node');
    await images.add(`sha256:${'b'.repeat(64)}`, 'alpine');
    const past = new Date('2026-01-01');
    await utimes(join(dir, 'images', 'b'.repeat(64)), past, past);
    expect((await images.list()).map(({ repositories }) => repositories)).toEqual([
      ['alpine'],
      ['node', 'mirror.local/node'],
    ]);
  });

  it('are not removed when a build used them since they were listed', async () => {
    await images.add(ID, 'node');
    const [listed] = await images.list();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await images.use(ID)).toBe(true);
    expect(await images.removing(listed!, () => Promise.reject(new Error('removed')))).toBe(false);
    expect(await readdir(join(dir, 'images'))).toEqual([NAME]);
  });

  it('make a build wait that wants one just being removed, and look for it again', async () => {
    await images.add(ID, 'node');
    const [listed] = await images.list();
    let end: (gone: boolean) => void = () => undefined;
    const removal = images.removing(listed!, () => new Promise((resolve) => (end = resolve)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const use = images.use(ID);
    await new Promise((resolve) => setTimeout(resolve, 20));
    end(true);
    expect(await Promise.all([removal, use])).toEqual([true, false]);
    expect(await images.list()).toEqual([]);
  });

  it.each([
    ['the engine keeps it', () => Promise.resolve(false)],
    ['the engine does not answer', () => Promise.reject(new Error('away'))],
  ])('stay written down when %s', async (_, remove) => {
    await images.add(ID, 'node');
    const [listed] = await images.list();
    await images.removing(listed!, remove).catch(() => undefined);
    expect(await images.list()).toEqual([listed]);
  });

  it('that are not written down are nobody’s business', async () => {
    expect(await images.use(ID)).toBe(true);
    expect(await images.removing({ id: ID, repositories: [], usedAtMs: 0 }, () => Promise.resolve(true))).toBe(false);
  });
});

describe('the repository of a reference', () => {
  it.each([
    ['node', 'node'],
    ['node:20', 'node'],
    ['docker.io/library/node:20', 'node'],
    ['docker.io/org/app', 'org/app'],
    ['host:5000/org/app', 'host:5000/org/app'],
    ['host:5000/org/app:1@sha256:00', 'host:5000/org/app'],
  ])('%s is %s', (reference, repository) => {
    expect(repositoryOf(reference)).toBe(repository);
  });
});
