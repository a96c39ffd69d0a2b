// The queue on what makes Redis outlive a machine: Sentinels with a failover, a cluster, TLS. Real servers, started here and ended.
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BuildConsumer } from './consumer.js';
import { BuildQueue } from './producer.js';
import type { RedisPlace } from './redis-place.js';

jest.setTimeout(90_000);

const run = promisify(execFile);
const PASSWORD = 'a password';
const running: ChildProcess[] = [];
let folder: string;
/** The authority of those that speak TLS, by port. */
const tlsPorts = new Map<number, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kilnyard-redis-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(end));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function start(port: number, lines: string[], ...args: string[]): Promise<ChildProcess> {
  const dir = await mkdtemp(join(folder, 'server-'));
  const file = join(dir, 'redis.conf');
  const own = ['bind 127.0.0.1', 'save ""', 'appendonly no', 'daemonize no', `dir ${dir}`];
  await writeFile(file, [...own, ...lines, ''].join('\n'));
  const child = spawn('redis-server', [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  await until(`redis on ${port} is there`, async () => {
    if (child.exitCode !== null) throw new Error(`redis-server ended: ${said}`);
    return (await cli(port, 'PING')) !== null;
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

/** Out: what it says, null where nobody answers. */
async function cli(port: number, ...command: string[]): Promise<string | null> {
  const env = { ...process.env, REDISCLI_AUTH: PASSWORD };
  const ca = tlsPorts.get(port);
  const tls = ca === undefined ? [] : ['--tls', '--cacert', ca];
  const answer = await run('redis-cli', ['-p', String(port), ...tls, ...command], { env, timeout: 5_000 }).catch(
    () => null,
  );
  return answer === null || /^(Could not connect|Error)/m.test(answer.stdout + answer.stderr)
    ? null
    : answer.stdout.trim();
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 45_000; !(await holds()); await sleep(50))
    if (performance.now() > deadline) throw new Error(`waited too long until ${what}`);
}

/** A producer and a consumer there; what is added comes out. */
function joined(place: RedisPlace): { queue: BuildQueue; turns: () => number; close: () => Promise<void> } {
  let turns = 0;
  const prefix = `test-${randomUUID()}`;
  const queue = new BuildQueue({ ...place, prefix });
  const consumer = new BuildConsumer({
    ...place,
    prefix,
    slots: 2,
    run: async () => {
      turns += 1;
    },
  });
  consumer.start();
  return {
    queue,
    turns: () => turns,
    close: async () => {
      await consumer.close();
      await queue.close();
    },
  };
}

it('finds the new master by the Sentinels when the old one dies', async () => {
  const [first, second, ...sentinels] = await Promise.all(Array.from({ length: 5 }, freePort));
  const auth = [`requirepass "${PASSWORD}"`, `masterauth "${PASSWORD}"`];
  const master = await start(first!, [`port ${first}`, ...auth]);
  await start(second!, [`port ${second}`, ...auth, `replicaof 127.0.0.1 ${first}`, 'repl-diskless-sync-delay 0']);
  await until(
    'the replica follows',
    async () => (await cli(second!, 'INFO', 'replication'))?.includes('link_status:up') === true,
  );
  for (const port of sentinels)
    await start(
      port,
      [
        `port ${port}`,
        `sentinel monitor builds 127.0.0.1 ${first} 2`,
        `sentinel auth-pass builds "${PASSWORD}"`,
        'sentinel down-after-milliseconds builds 1000',
        'sentinel failover-timeout builds 5000',
      ],
      '--sentinel',
    );
  await until('the Sentinels know the replica and each other', async () => {
    const known = await Promise.all(sentinels.map((port) => cli(port, 'SENTINEL', 'CKQUORUM', 'builds')));
    const facts = await Promise.all(sentinels.map((port) => cli(port, 'SENTINEL', 'REPLICAS', 'builds')));
    return (
      known.every((said) => said?.startsWith('OK 3')) && facts.every((said) => said?.includes(String(second)) === true)
    );
  });
  const there = joined({
    redisUrl: `redis://:${encodeURIComponent(PASSWORD)}@ignored`,
    redisMode: 'sentinel',
    redisNodes: sentinels.map((port) => `127.0.0.1:${port}`),
    redisSentinelMaster: 'builds',
  });
  try {
    await there.queue.add(randomUUID());
    await until('a turn is taken', async () => there.turns() === 1);
    await end(master);
    await until('an item is taken in again', () =>
      there.queue.add(randomUUID()).then(
        () => true,
        () => false,
      ),
    );
    await until('a turn is taken at the new master', async () => there.turns() >= 2);
    expect(await cli(second!, 'ROLE')).toMatch(/^master/);
  } finally {
    await there.close();
  }
});

it('keeps all keys of a cluster on one node, and goes on with the others', async () => {
  const ports = await Promise.all(Array.from({ length: 3 }, freePort));
  for (const port of ports)
    await start(port, [
      `port ${port}`,
      'cluster-enabled yes',
      `cluster-port ${await freePort()}`,
      `requirepass "${PASSWORD}"`,
      `masterauth "${PASSWORD}"`,
    ]);
  const nodes = ports.map((port) => `127.0.0.1:${port}`);
  await run('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-yes'], {
    env: { ...process.env, REDISCLI_AUTH: PASSWORD },
    timeout: 40_000,
  });
  await until('the cluster is whole', async () => {
    const said = await Promise.all(ports.map((port) => cli(port, 'CLUSTER', 'INFO')));
    return said.every((one) => one?.includes('cluster_state:ok') === true);
  });
  const there = joined({
    redisUrl: `redis://:${encodeURIComponent(PASSWORD)}@ignored`,
    redisMode: 'cluster',
    redisNodes: nodes.slice(0, 1),
  });
  try {
    await there.queue.ping();
    for (let n = 0; n < 5; n += 1) await there.queue.add(randomUUID(), n % 2 === 0 ? '' : 'fleet');
    await until('the turns of the common pool are taken', async () => there.turns() === 3);
    expect((await there.queue.counts('fleet')).waiting).toBe(2);
    const keys = await Promise.all(ports.map((port) => cli(port, 'DBSIZE')));
    expect(keys.filter((count) => count !== '0')).toHaveLength(1);
  } finally {
    await there.close();
  }
});

describe('over TLS', () => {
  it('trusts the authority that it was given, and no server otherwise', async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    await run('openssl', [...made, ...subject, '-keyout', key, '-out', cert]);
    const port = await freePort();
    tlsPorts.set(port, cert);
    await start(port, [
      'port 0',
      `tls-port ${port}`,
      `tls-cert-file ${cert}`,
      `tls-key-file ${key}`,
      `tls-ca-cert-file ${cert}`,
      'tls-auth-clients no',
      `requirepass "${PASSWORD}"`,
    ]);
    const redisUrl = `rediss://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;
    const there = joined({ redisUrl, redisCa: await readFile(cert, 'utf8') });
    const strict = new BuildQueue({ redisUrl, prefix: 'x' });
    try {
      await there.queue.add(randomUUID());
      await until('a turn is taken', async () => there.turns() === 1);
      await expect(strict.ping()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    } finally {
      await there.close();
      await strict.close();
    }
  });
});
