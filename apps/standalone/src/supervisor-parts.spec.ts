// The small parts of the supervisor: ports, secrets, environment, order of stopping, signals, events, the example's commit.
import { EventEmitter } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { appendFile, cp, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { childEnv, reachableUrl, withToken } from './child-env.js';
import { Closers, STOP_ORDER } from './closers.js';
import { keptPort, keptSecret, openDataFolder } from './data-folder.js';
import { commitFolder } from './example-repository.js';
import { freePort, holderOf, isFree } from './free-port.js';
import { adminToken, writeConnection } from './master-key.js';
import { redisSettings } from './redis.js';
import { newSay } from './say.js';
import { eventsOf, type ServerSentEvent } from './server-sent-events.js';
import { listenForStop } from './stop-signals.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kilnyard-parts-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('ports', () => {
  it('one that is taken is not free, is not chosen, and its holder is named', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await isFree(port)).toBe(false);
    expect(await freePort(port)).not.toBe(port);
    expect(await holderOf(port)).toContain(`(pid ${process.pid})`);
    await new Promise((resolve) => server.close(resolve));
    expect(await isFree(port)).toBe(true);
  });

  it('are kept from start to start', async () => {
    const first = await keptPort(folder, 'a', async () => 4001);
    await keptPort(folder, 'b', async () => 4002);
    expect(await keptPort(folder, 'a', async (last) => last ?? 0)).toBe(first);
  });
});

describe('what only we may read', () => {
  it('a secret is made once, mode 600; the folder is closed', async () => {
    const data = join(folder, 'data');
    await openDataFolder(data);
    const secret = await keptSecret(join(data, 'key'), { bytes: 32, encoding: 'base64' });
    expect(Buffer.from(secret, 'base64')).toHaveLength(32);
    expect(await keptSecret(join(data, 'key'))).toBe(secret);
    expect((await stat(join(data, 'key'))).mode & 0o777).toBe(0o600);
    expect((await stat(data)).mode & 0o777).toBe(0o700);
  });

  it.each([
    ['the environment', { KILNYARD_ADMIN_TOKEN: 'mine' }, /^mine$/],
    ['connection.json', {}, /^kept$/],
  ])('the token comes from %s first', async (_reason, env, expected) => {
    await writeConnection(folder, { url: 'u', token: 'kept' });
    expect(await adminToken(folder, env)).toMatch(expected);
  });
  it('a new token is long', async () => expect(await adminToken(folder, {})).toMatch(/^kiln_[\w-]{43}$/));
});

describe("the children's environment", () => {
  const at = {
    folder,
    masterKeyFile: 'k',
    databaseUrl: 'd',
    redisUrl: 'r',
    host: 'h',
    port: 1,
    publicUrl: 'p',
    dockerSocket: undefined,
  };
  it('keeps what was set, takes absolute paths, and the token goes to the API alone', () => {
    const env = childEnv(
      { KILNYARD_LEASE_MS: '9000', KILNYARD_ADMIN_TOKEN: 'secret', KILNYARD_PORT: '0' },
      { ...at, folder: '.x' },
    );
    expect(env).toMatchObject({
      KILNYARD_LEASE_MS: '9000',
      KILNYARD_PORT: '1',
      KILNYARD_DATA_DIR: join(process.cwd(), '.x'),
    });
    expect(env).not.toHaveProperty('KILNYARD_ADMIN_TOKEN');
    expect(env).not.toHaveProperty('KILNYARD_DOCKER_SOCKET');
    expect(withToken(env, 'secret').KILNYARD_ADMIN_TOKEN).toBe('secret');
  });
  it.each([
    ['all addresses', '0.0.0.0', 'http://127.0.0.1:3000'],
    ['all of IPv6', '::', 'http://[::1]:3000'],
    ['a name', 'ci.example', 'http://ci.example:3000'],
  ])('URL of %s', (_reason, host, url) => expect(reachableUrl(host, 3000)).toBe(url));
  it('Redis is bound to this machine and keeps its queue', () => {
    expect(redisSettings(7, 'pw').split('\n')).toEqual(
      expect.arrayContaining(['bind 127.0.0.1', 'requirepass pw', 'maxmemory-policy noeviction']),
    );
  });
});

describe('stopping', () => {
  it('goes worker first, engine and lock last, whatever came up when; a failure keeps no other back', async () => {
    const said: string[] = [];
    const order: string[] = [];
    const closers = new Closers((line) => said.push(line));
    for (const part of [...STOP_ORDER].reverse()) {
      closers.add(part, async () => {
        order.push(part);
        if (part === 'redis') throw new Error('stuck');
      });
    }
    expect(await closers.closeAll(new AbortController().signal)).toBe(false);
    expect(order).toEqual(['worker', 'api', 'git', 'redis', 'postgres', 'engine', 'lock']);
    expect(said).toEqual(['redis did not stop well: stuck']);
    expect(await closers.closeAll(new AbortController().signal)).toBe(true);
  });

  it('a repeat within a second is the same Ctrl-C; a later one means now', () => {
    const source = new EventEmitter();
    let nowMs = 0;
    const heard: boolean[] = [];
    const signals = listenForStop(
      (again) => heard.push(again),
      source,
      () => nowMs,
    );
    source.emit('SIGINT');
    nowMs = 900;
    source.emit('SIGTERM');
    expect([signals.stop.aborted, signals.now.aborted]).toEqual([true, false]);
    nowMs = 1_000;
    source.emit('SIGINT');
    expect(signals.now.aborted).toBe(true);
    expect(heard).toEqual([false, true]);
    signals.dispose();
    expect(source.listenerCount('SIGINT')).toBe(0);
  });
});

describe('server-sent events', () => {
  async function read(text: string, size: number): Promise<ServerSentEvent[]> {
    const bytes = Buffer.from(text);
    async function* parts() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const events: ServerSentEvent[] = [];
    for await (const event of eventsOf(parts())) events.push(event);
    return events;
  }
  const text = ': beat\n\nevent: lines\r\nid: 7\r\ndata: ä\r\ndata: b\r\n\r\nevent: end\ndata:\n\ndata: cut off';
  it.each([1, 2, 3, 7, 1000])('are the same in parts of %i bytes', async (size) => {
    expect(await read(text, size)).toEqual([
      { type: 'lines', id: '7', data: 'ä\nb' },
      { type: 'end', id: undefined, data: '' },
    ]);
  });
});

describe("the example's repository", () => {
  it('has the same commit for the same content, and one more for a change', async () => {
    const files = join(folder, 'files');
    await cp(join(process.cwd(), 'examples/hello-node'), files, { recursive: true });
    await mkdir(join(files, 'node_modules'), { recursive: true });
    const first = await commitFolder(files, join(folder, 'a.git'));
    expect(await commitFolder(files, join(folder, 'a.git'))).toBe(first);
    expect(await commitFolder(files, join(folder, 'b.git'))).toBe(first);
    await appendFile(join(files, 'README.md'), 'more\n');
    const second = await commitFolder(files, join(folder, 'a.git'));
    expect(second).not.toBe(first);
    expect((await readFile(join(folder, 'a.git/refs/heads/main'), 'utf8')).trim()).toBe(second);
  });
});

it('lines carry the time since the start, in columns', () => {
  const written: string[] = [];
  let nowMs = 13_400;
  const say = newSay(
    1_000,
    (text) => written.push(text),
    () => nowMs,
  );
  say('up');
  nowMs = 1_000;
  say('first');
  expect(written).toEqual([' 12.4 s  up\n', '  0.0 s  first\n']);
});
