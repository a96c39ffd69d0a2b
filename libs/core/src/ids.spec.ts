import { describe, expect, it } from '@jest/globals';
import { asBuildId, parseBuildId, publicBuildId } from './ids.js';

const uuid = '0a1b2c3d-0000-4000-8000-00000000000f';

describe('a build id', () => {
  it('is read back as it was written', () => {
    expect(parseBuildId(publicBuildId('demo', asBuildId(uuid)))).toEqual({ projectName: 'demo', id: uuid });
  });

  it.each([
    ['without a colon', uuid],
    ['without a project', `:${uuid}`],
    ['without a uuid', 'demo:7'],
    ['empty', ''],
  ])('%s is refused', (_, text) => {
    expect(() => parseBuildId(text)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});
