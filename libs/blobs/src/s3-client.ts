// Room: blobs. The AWS SDK's client as Kilnyard uses it: bounded waits, retries, and nothing that only AWS's own S3 understands.
import { createHash } from 'node:crypto';
import { S3Client } from '@aws-sdk/client-s3';

export interface S3Place {
  /** URL of the server; absent for AWS's own S3. */
  endpoint?: string;
  region: string;
  bucket: string;
  /** Put before every key, ends with `/` unless empty. */
  prefix: string;
  /** Absent: the SDK's own chain (environment, shared files, instance role). */
  credentials?: { accessKeyId: string; secretAccessKey: string };
  /** Bucket in the path and not in the host's name; most servers beside AWS want that. */
  pathStyle: boolean;
}

/** Tries of one request; between them the SDK waits, longer each time. */
const MAX_ATTEMPTS = 5;
const CONNECT_MS = 5_000;
/** A connection on which nothing moves for so long is given up. */
const IDLE_MS = 60_000;
/** Requests at once of one process: each open download holds one. */
const MAX_SOCKETS = 512;

/**
 * Checksums only where S3 demands them: since 2025 the SDK adds its own to every upload (as a trailer of a chunked body), which
 * many servers refuse. Every body that we send carries Content-MD5, which all of them check.
 */
export function newS3Client(place: S3Place): S3Client {
  const client = new S3Client({
    region: place.region,
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    ...(place.credentials === undefined ? {} : { credentials: place.credentials }),
    forcePathStyle: place.pathStyle,
    maxAttempts: MAX_ATTEMPTS,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
  });
  client.middlewareStack.add(
    (next, context) => (call) => {
      // what the SDK serialised itself: the list of a DeleteObjects, whose Content-MD5 older servers insist on
      const request = call.request as { body?: unknown; headers: Record<string, string> };
      if (context.commandName === 'DeleteObjectsCommand' && typeof request.body === 'string')
        request.headers['content-md5'] = md5Of(request.body);
      return next(call);
    },
    { step: 'build', name: 'contentMd5OfDelete' },
  );
  return client;
}

/** Base64, as the header Content-MD5 wants it. */
export function md5Of(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('base64');
}
