import { describe, expect, it } from '@jest/globals';
import { DiskBlobs } from './disk-blobs.js';
import { openBlobs, s3Place, type StorageSettings } from './open-blobs.js';
import { S3Blobs } from './s3-blobs.js';

const settings = (over: Partial<StorageSettings> = {}): StorageSettings => ({
  blobs: 's3',
  s3Endpoint: '',
  s3Region: 'eu-central-1',
  s3Bucket: 'builds',
  s3Prefix: '',
  s3AccessKeyId: '',
  s3SecretAccessKey: '',
  s3PathStyle: 'auto',
  ...over,
});

describe('openBlobs', () => {
  it('takes the disk unless told otherwise', async () => {
    expect(await openBlobs(settings({ blobs: 'disk', s3Bucket: '' }), '/tmp/x')).toBeInstanceOf(DiskBlobs);
    expect(await openBlobs(settings(), '/tmp/x')).toBeInstanceOf(S3Blobs);
  });

  it.each<[string, Partial<StorageSettings>, object]>([
    ['AWS with its own credentials', {}, { region: 'eu-central-1', bucket: 'builds', prefix: '', pathStyle: false }],
    [
      'a server of one’s own: the bucket goes into the path',
      { s3Endpoint: 'http://s3:9000', s3AccessKeyId: 'id', s3SecretAccessKey: 'secret', s3Prefix: 'kiln' },
      {
        endpoint: 'http://s3:9000',
        region: 'eu-central-1',
        bucket: 'builds',
        prefix: 'kiln/',
        credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
        pathStyle: true,
      },
    ],
  ])('reads %s', (_, over, place) => {
    expect(s3Place(settings(over))).toEqual(place);
  });

  it.each<[string, Partial<StorageSettings>, string]>([
    ['no bucket', { s3Bucket: '' }, 'KILNYARD_S3_BUCKET'],
    ['an id without its secret', { s3AccessKeyId: 'id' }, 'both or neither'],
    ['an endpoint without its scheme', { s3Endpoint: 's3:9000' }, 'KILNYARD_S3_ENDPOINT'],
    ['a prefix that starts with a slash', { s3Prefix: '/x' }, 'KILNYARD_S3_PREFIX'],
    ['a prefix with an empty part', { s3Prefix: 'a//b' }, 'KILNYARD_S3_PREFIX'],
  ])('refuses %s', async (_, over, words) => {
    await expect(openBlobs(settings(over), '/tmp/x')).rejects.toThrow(words);
  });

  it('names all that is wrong at once, and no secret', () => {
    try {
      s3Place(settings({ s3Bucket: '', s3SecretAccessKey: 'hush' }));
      throw new Error('it was taken');
    } catch (error) {
      expect((error as { findings: unknown[] }).findings).toHaveLength(2);
      expect(String(error)).not.toContain('hush');
    }
  });
});
