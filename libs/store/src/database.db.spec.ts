import { afterEach, describe, expect, it } from '@jest/globals';
import { connect, createServer, type AddressInfo } from 'node:net';
import { newTestDatabase } from '#testing/database.js';
import { Database } from './database.js';

/** Messages of Postgres: a letter, the length of what follows, the rest. */
function message(letter: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(letter), length, body]);
}
const AUTHENTICATED = message('R', Buffer.alloc(4));
const READY = message('Z', Buffer.from('I'));
const SHUT_DOWN = message(
  'E',
  Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'),
);

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The database behind a server that shuts down every connection but the first, in the same breath in which it says that it is ready. */
async function shuttingDown(url: string): Promise<string> {
  const { port, hostname } = new URL(url);
  let connections = 0;
  const server = createServer((near) => {
    near.on('error', () => undefined); // the client is gone
    connections += 1;
    if (connections > 1) {
      near.once('data', () => near.end(Buffer.concat([AUTHENTICATED, READY, SHUT_DOWN])));
      return;
    }
    const far = connect(Number(port), hostname);
    far.on('error', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(async () => server.close());
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return through.href;
}

describe('a connection', () => {
  it('that Postgres ends before anyone asks through it fails who asks, and not the process', async () => {
    const test = await newTestDatabase();
    ends.push(test.drop);
    const database = await Database.connect({ url: await shuttingDown(test.url), pool: 2 });
    ends.push(() => database.close());
    let done = (): void => undefined;
    const held = new Promise<void>((resolve) => (done = resolve));
    const first = database.transaction(() => held);
    await expect(database.transaction((tx) => tx.query('SELECT 1'))).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retryable: true,
    });
    await expect(database.models((prisma) => prisma.$transaction([prisma.build.count()]))).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
    done();
    await first;
  });
});
