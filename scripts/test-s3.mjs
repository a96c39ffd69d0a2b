// A real S3 server for tests and benchmarks: OpenStack Swift with its S3 middleware, from Debian's packages, on one folder.
// It checks signatures and Content-MD5, has true multipart uploads, and forgets nothing of S3 that Kilnyard uses.
import { mkdir, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

const PARTS = '../dist/apps/standalone/src';
const STORES = ['account', 'container', 'object'];
const PACKAGES = ['proxy', ...STORES].map((part) => `swift-${part}`);
const READY_MS = 30_000;
const BUCKET = 'kilnyard-test';
const REGION = 'us-east-1';

/**
 * Starts it; installs Debian's packages where they are missing and that is allowed.
 * In: a folder of its own on a file system with extended attributes. Out: where and how to reach it, a bucket in it, how to end it.
 */
export async function startS3({ folder, machine, table, say }) {
  const [{ install }, { findProgram }, { freePort }, { KeptProcess }] = await Promise.all(
    ['debian', 'machine', 'free-port', 'kept-process'].map((part) => import(`${PARTS}/${part}.js`)),
  );
  if (findProgram('swift-proxy-server') === undefined)
    await install(machine, PACKAGES, 'an S3 server is missing: the tests use OpenStack Swift', say);
  const place = { rings: join(folder, 'rings'), devices: join(folder, 'devices'), logs: join(folder, 'logs') };
  await Promise.all(
    [place.rings, join(place.devices, 'd1'), place.logs].map((path) => mkdir(path, { recursive: true })),
  );
  const { run } = await import(`${PARTS}/machine.js`);
  const secret = randomBytes(16).toString('hex');
  const processes = [];
  const stop = async () => {
    await Promise.all(processes.splice(0).map((process) => process.stop()));
  };
  const start = async (part, text) => {
    const file = join(folder, `${part}.conf`);
    await writeFile(file, text, { mode: 0o600 });
    const program = {
      name: `swift-${part}`,
      command: findProgram(`swift-${part}-server`),
      args: [file],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TZ: 'UTC' },
      cwd: '/',
      logFile: join(place.logs, `${part}.log`),
      graceMs: 5_000,
    };
    processes.push(await KeptProcess.start(program, table, say));
  };
  try {
    for (const part of STORES) {
      const port = await freePort();
      const builder = join(place.rings, `${part}.builder`);
      const device = ['add', `r1z1-127.0.0.1:${port}/d1`, '1'];
      for (const args of [['create', '4', '1', '0'], device, ['rebalance']]) {
        const { exitCode, output } = await run('swift-ring-builder', [builder, ...args]);
        if (exitCode !== 0) throw new Error(`swift-ring-builder ${args[0]} failed: ${output}`);
      }
      await start(part, storeSettings(part, port, place));
    }
    const port = await freePort();
    await start('proxy', proxySettings(port, place, secret));
    const s3 = { endpoint: `http://127.0.0.1:${port}`, accessKeyId: 'kilnyard:test', secretAccessKey: secret };
    await makeBucket(s3);
    return { ...s3, bucket: BUCKET, region: REGION, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The variables under which tests find it. */
export function s3Variables({ endpoint, accessKeyId, secretAccessKey, bucket, region }) {
  return {
    KILNYARD_TEST_S3_ENDPOINT: endpoint,
    KILNYARD_TEST_S3_ACCESS_KEY_ID: accessKeyId,
    KILNYARD_TEST_S3_SECRET_ACCESS_KEY: secretAccessKey,
    KILNYARD_TEST_S3_BUCKET: bucket,
    KILNYARD_TEST_S3_REGION: region,
  };
}

/** Resolves when all four servers work together. */
async function makeBucket({ endpoint, accessKeyId, secretAccessKey }) {
  const client = new S3Client({
    endpoint,
    region: REGION,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
  for (const deadline = Date.now() + READY_MS; ; await sleep(100)) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
      client.destroy();
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`the S3 server is not ready within ${READY_MS / 1000} s: ${error.message}`, { cause: error });
    }
  }
}

const shared = (port, { rings }) => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
user = ${process.getuid?.() === 0 ? 'root' : process.env.USER}
swift_dir = ${rings}
workers = 0
log_level = WARNING
`;

const storeSettings = (part, port, place) => `${shared(port, place)}devices = ${place.devices}
mount_check = false
disable_fallocate = true
recon_cache_path = ${place.rings}
[pipeline:main]
pipeline = ${part}-server
[app:${part}-server]
use = egg:swift#${part}
`;

const proxySettings = (port, place, secret) => `${shared(port, place)}[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth bulk slo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = ${REGION}
max_upload_part_num = 10000
[filter:tempauth]
use = egg:swift#tempauth
user_kilnyard_test = ${secret} .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
`;
