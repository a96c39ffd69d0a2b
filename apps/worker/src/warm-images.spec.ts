import { afterEach, describe, expect, it } from '@jest/globals';
import { PhaseFailure } from '#core/errors.js';
import type { Backend, ImageRequest } from '#engine/backend/backend.js';
import { SILENT } from '#observe/logger.js';
import { until } from '#testing/until.js';
import { WarmImages } from './warm-images.js';

describe('warm images', () => {
  let warm: WarmImages | null = null;
  afterEach(() => warm?.stop());

  it('are asked for anew in each round; what fails is told until it goes well, and keeps no other from its turn', async () => {
    const asked: string[] = [];
    let broken = true;
    const prepareImage = async ({ image, policy }: ImageRequest) => {
      asked.push(`${image} ${policy}`);
      if (image === 'b' && broken) throw new PhaseFailure('BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE', 'b: gone');
      return { id: image, digest: image };
    };
    warm = new WarmImages({ backend: { prepareImage } as unknown as Backend, logger: SILENT, images: ['a', 'b', 'c'] });
    warm.start(1);
    await until('a second round', async () => asked.length >= 6);
    expect(asked.slice(0, 3)).toEqual(['a ALWAYS', 'b ALWAYS', 'c ALWAYS']);
    expect(warm.notes).toEqual(['warm image b: b: gone']);
    broken = false;
    await until('nothing to tell', async () => warm!.notes.length === 0);
  });

  it('that are being pulled are cut at the stop', async () => {
    const prepareImage = ({ signal }: ImageRequest) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    warm = new WarmImages({ backend: { prepareImage } as unknown as Backend, logger: SILENT, images: ['a'] });
    warm.start(60_000);
    await warm.stop();
    expect(warm.notes).toEqual([]);
  });
});
