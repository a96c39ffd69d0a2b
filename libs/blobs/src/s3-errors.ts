// Room: blobs. What an S3 server says in our words; nothing of the SDK gets past here.
import { Fault, KilnyardError } from '#core/errors.js';
import type { S3Place } from './s3-client.js';

interface SdkError extends Error {
  $metadata?: { httpStatusCode?: number };
  Code?: string;
}

const NO_ROOM = new Set(['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', 'StorageFull', 'EntityTooLarge']);
const NO_RIGHT = new Set([
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'InvalidToken',
  'CredentialsProviderError',
  'AccountProblem',
]);

export function statusOf(thrown: unknown): number | undefined {
  return (thrown as SdkError | null)?.$metadata?.httpStatusCode;
}

/** There is no such object. A bucket that is missing is another thing. */
export function isMissing(thrown: unknown): boolean {
  const { name } = thrown as SdkError;
  return name === 'NoSuchKey' || (name === 'NotFound' && statusOf(thrown) === 404);
}

/**
 * A failed request as a Fault: STORAGE_FULL where the server has no room; else STORAGE_UNAVAILABLE, retryable unless bucket, rights or
 * settings are wrong. In: `doing` completes "while …". What is ours already (a source's own error, a signal's reason) is for the
 * caller to keep away from here.
 */
export function storageFault(thrown: unknown, place: S3Place, doing: string): Error {
  if (thrown instanceof KilnyardError) return thrown;
  const error = thrown as SdkError;
  const status = statusOf(thrown);
  const said = `${error.Code ?? error.name}${error.message === '' || error.message === 'UnknownError' ? '' : `: ${error.message}`}`;
  const where = `bucket ${place.bucket} at ${place.endpoint ?? `AWS, ${place.region}`}`;
  if (status === 507 || NO_ROOM.has(error.name))
    return new Fault('STORAGE_FULL', `no space left in ${where} while ${doing} (${said})`, {
      cause: thrown,
      retryable: true,
    });
  const fault = (message: string, retryable: boolean): Fault =>
    new Fault('STORAGE_UNAVAILABLE', `${message} while ${doing} (${said})`, { cause: thrown, retryable });
  if (error.name === 'NoSuchBucket') return fault(`there is no ${where}: look at KILNYARD_S3_BUCKET`, false);
  if (status === 401 || status === 403 || NO_RIGHT.has(error.name))
    return fault(
      `${where} refuses us: look at KILNYARD_S3_ACCESS_KEY_ID, KILNYARD_S3_SECRET_ACCESS_KEY and the bucket's policy`,
      false,
    );
  if (status !== undefined && status >= 300 && status < 500 && status !== 408 && status !== 429)
    return fault(`${where} does not take what we ask for: look at KILNYARD_S3_ENDPOINT and KILNYARD_S3_REGION`, false);
  return fault(`${where} does not answer as it should`, true);
}
