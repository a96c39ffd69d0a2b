// A fresh corner of the S3 server that the tests share: a prefix of its own in their bucket.
import { randomBytes } from 'node:crypto';
import type { S3Place } from '#blobs/s3-client.js';

/** Errors: one that says how to get a server, where none is named. */
export function testS3Place(): S3Place {
  const name = (what: string): string => {
    const value = process.env[`KILNYARD_TEST_S3_${what}`];
    if (value === undefined || value === '')
      throw new Error(
        `KILNYARD_TEST_S3_${what} is not set: expected an S3 server. Run \`npm test\`, which starts one.`,
      );
    return value;
  };
  return {
    endpoint: name('ENDPOINT'),
    region: name('REGION'),
    bucket: name('BUCKET'),
    prefix: `${randomBytes(6).toString('hex')}/`,
    credentials: { accessKeyId: name('ACCESS_KEY_ID'), secretAccessKey: name('SECRET_ACCESS_KEY') },
    pathStyle: true,
  };
}
