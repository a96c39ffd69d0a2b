import { describe, expect, it } from '@jest/globals';
import { BoundedCache } from './bounded-cache.js';

const newCache = (bytes: number) => new BoundedCache<string>(bytes, (text) => text.length);

describe('BoundedCache', () => {
  it('loads once for all who ask, and forgets a failure', async () => {
    const cache = newCache(100);
    let loads = 0;
    const load = async (): Promise<string> => {
      loads += 1;
      if (loads === 1) throw new Error('away');
      return 'value';
    };
    const first = [cache.get('a', load), cache.get('a', load)];
    for (const one of first) await expect(one).rejects.toThrow('away');
    expect(await Promise.all([cache.get('a', load), cache.get('a', load)])).toEqual(['value', 'value']);
    expect([loads, cache.usedBytes]).toEqual([2, 5]);
  });

  it('keeps the latest used within its bound; one that is larger than all is given and not kept', async () => {
    const cache = newCache(10);
    const loaded: string[] = [];
    const get = (key: string, length = 4): Promise<string> =>
      cache.get(key, async () => {
        loaded.push(key);
        return key.repeat(length);
      });
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await get(key);
    expect(loaded).toEqual(['a', 'b', 'c', 'b']);
    expect(await get('d', 11)).toHaveLength(11);
    expect(cache.usedBytes).toBe(0);
  });
});
