import { expect, it } from '@jest/globals';
import { artifactPlace } from './artifact-place.js';

it.each([
  [{ location: 'bucket' }, { name: 'app.zip' }, 'bucket/app.zip'],
  [{ location: 'bucket', path: 'a/b' }, { name: 'app' }, 'bucket/a/b/app'],
  [{ location: 'bucket', path: '/a/', namespaceType: 'BUILD_ID' }, { name: 'app' }, 'bucket/a/b-1/app'],
  [{ location: 'bucket', namespaceType: 'BUILD_ID' }, { name: '/' }, 'bucket/b-1'],
  [
    { location: 'bucket', path: 'a', namespaceType: 'BUILD_ID' },
    { name: 'x/y.zip', s3Prefix: 'p' },
    'bucket/p/b-1/x/y.zip',
  ],
  [{ location: 'arn:aws:s3:::bucket', namespaceType: 'NONE' }, { name: 'app' }, 'bucket/app'],
  [{}, { name: 'app' }, 'kilnyard/app'],
] as const)('%j, %j', (target, what, place) => {
  expect(artifactPlace(target, { buildId: 'b-1', ...what })).toBe(`arn:aws:s3:::${place}`);
});
