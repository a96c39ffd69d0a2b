// Room: blobs. From settings to storage: the local disk, or a bucket. Used by the API and by the worker, which must agree.
import { join } from 'node:path';
import { Fault, Refusal, type Finding } from '#core/errors.js';
import type { Blobs } from './blobs.js';
import { DiskBlobs } from './disk-blobs.js';
import type { S3Place } from './s3-client.js';

/** As in the section `storage` of the settings. */
export interface StorageSettings {
  blobs: 'disk' | 's3';
  s3Endpoint: string;
  s3Region: string;
  s3Bucket: string;
  s3Prefix: string;
  s3AccessKeyId: string;
  s3SecretAccessKey: string;
  s3PathStyle: 'auto' | 'true' | 'false';
}

/** Errors: Refusal INVALID_INPUT with a finding for each setting that does not fit. Asks no server. */
export async function openBlobs(settings: StorageSettings, dataDir: string): Promise<Blobs> {
  if (settings.blobs === 'disk') return new DiskBlobs({ root: join(dataDir, 'blobs') });
  // the SDK costs a start and memory, so only those pay who use it
  const { S3Blobs } = await import('./s3-blobs.js');
  return new S3Blobs({ place: s3Place(settings) });
}

/**
 * The look at the storage before a start. A server that does not answer now may do so soon, so `onTrouble` is told and the start goes on.
 * Errors: Fault STORAGE_UNAVAILABLE where waiting does not help: no such bucket, refused credentials, a folder that cannot be written.
 */
export async function checkStorage(blobs: Blobs, onTrouble: (error: Fault) => void): Promise<void> {
  try {
    await blobs.check();
  } catch (error) {
    if (!(error instanceof Fault) || !error.retryable) throw error;
    onTrouble(error);
  }
}

export function s3Place(settings: StorageSettings): S3Place {
  const findings = mistakesOf(settings);
  if (findings.length > 0) {
    const lines = findings.map(({ field, expected, got }) => `  ${field}: expected ${expected}, got ${got}`);
    throw new Refusal('INVALID_INPUT', `settings are wrong:\n${lines.join('\n')}`, { findings });
  }
  const { s3Endpoint, s3Region, s3Bucket, s3Prefix, s3AccessKeyId, s3SecretAccessKey, s3PathStyle } = settings;
  return {
    ...(s3Endpoint === '' ? {} : { endpoint: s3Endpoint }),
    region: s3Region,
    bucket: s3Bucket,
    prefix: s3Prefix === '' || s3Prefix.endsWith('/') ? s3Prefix : `${s3Prefix}/`,
    ...(s3AccessKeyId === ''
      ? {}
      : { credentials: { accessKeyId: s3AccessKeyId, secretAccessKey: s3SecretAccessKey } }),
    pathStyle: s3PathStyle === 'auto' ? s3Endpoint !== '' : s3PathStyle === 'true',
  };
}

function mistakesOf(settings: StorageSettings): Finding[] {
  const { s3Endpoint, s3Bucket, s3Prefix, s3AccessKeyId, s3SecretAccessKey } = settings;
  const findings: Finding[] = [];
  const say = (field: string, expected: string, got: string): void => void findings.push({ field, expected, got });
  if (s3Bucket === '') say('KILNYARD_S3_BUCKET', 'the name of a bucket, since KILNYARD_BLOBS is s3', 'nothing');
  if (s3Endpoint !== '' && !/^https?:\/\/[^/]/.test(s3Endpoint))
    say('KILNYARD_S3_ENDPOINT', 'a URL with http:// or https://', 'another text');
  if ((s3AccessKeyId === '') !== (s3SecretAccessKey === ''))
    say('KILNYARD_S3_ACCESS_KEY_ID and KILNYARD_S3_SECRET_ACCESS_KEY', 'both or neither', 'one of them');
  if (!/^([A-Za-z0-9._=-]+\/)*[A-Za-z0-9._=-]*$/.test(s3Prefix) || s3Prefix.length > 200)
    say('KILNYARD_S3_PREFIX', 'at most 200 of A-Z a-z 0-9 . _ = - in parts between /', JSON.stringify(s3Prefix));
  return findings;
}
