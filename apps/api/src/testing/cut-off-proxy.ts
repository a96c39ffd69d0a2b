// A TCP proxy in front of a server, so that a test can take the server away and bring it back.
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';

export interface CutOffProxy {
  /** The URL with the proxy's host and port in it. */
  url: string;
  /** Breaks all connections and refuses new ones. */
  cut(): void;
  /** Connections stay, and new ones are taken, but nothing goes through: a network that swallows packets. */
  stall(): void;
  mend(): void;
  /** New connections lead to this server from now on; those that are there stay with theirs. */
  moveTo(targetUrl: string): void;
  close(): Promise<void>;
}

export async function newCutOffProxy(targetUrl: string): Promise<CutOffProxy> {
  let target = new URL(targetUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  const held = new Set<Socket>();
  let state: 'open' | 'cut' | 'stalled' = 'open';

  const join = (near: Socket): void => {
    const far = connect(Number(target.port), target.hostname);
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [socket, other] of [pair, [far, near] as const]) {
      socket.on('error', () => other.destroy()); // that is what the test wants to see on the other side
      socket.on('close', () => {
        pairs.delete(pair);
        other.destroy();
      });
      socket.pipe(other);
    }
  };
  const server = createServer((near) => {
    if (state === 'open') return join(near);
    if (state === 'cut') return void near.destroy();
    near.on('error', () => near.destroy()); // it lost its patience
    near.on('close', () => held.delete(near));
    near.pause();
    held.add(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const breakAll = (): void => {
    for (const socket of [...held, ...[...pairs].flat()]) socket.destroy();
  };
  return {
    url: url.href,
    cut: () => {
      state = 'cut';
      breakAll();
    },
    stall: () => {
      state = 'stalled';
      for (const [near, far] of pairs) {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      }
    },
    mend: () => {
      if (state === 'stalled') for (const [near, far] of pairs) near.pipe(far).pipe(near);
      state = 'open';
      for (const near of held) join(near);
      held.clear();
    },
    moveTo: (otherUrl) => {
      target = new URL(otherUrl);
    },
    close: async () => {
      breakAll();
      server.close();
      await once(server, 'close');
    },
  };
}
