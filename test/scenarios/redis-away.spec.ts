// As an operator I lose Redis: builds are still taken, the service says what is wrong, and what waits runs when Redis is back.
import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { House } from '#testing/house.js';
import { until } from '#testing/until.js';

/** A way to the real Redis that can be shut. */
class Gate {
  private open = false;
  private readonly sockets = new Set<Socket>();
  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(target: URL): Promise<Gate> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const gate = new Gate(server, (server.address() as { port: number }).port);
    server.on('connection', (socket) => {
      if (!gate.open) return socket.destroy();
      const redis = connect(Number(target.port), target.hostname);
      for (const end of [socket, redis]) {
        gate.sockets.add(end);
        end.on('error', () => end.destroy()); // a cut connection is what this is for
        end.on('close', () => gate.sockets.delete(end));
      }
      socket.pipe(redis).pipe(socket);
      return undefined;
    });
    return gate;
  }

  shut(): void {
    this.open = false;
    for (const socket of this.sockets) socket.destroy();
  }

  unlock(): void {
    this.open = true;
  }

  async close(): Promise<void> {
    this.shut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('Redis', () => {
  let house: House;
  let gate: Gate;
  afterEach(async () => {
    await house.stop();
    await gate.close();
  });

  it('is away from the start: builds are taken, and run all the same', async () => {
    const target = new URL(process.env['KILNYARD_TEST_REDIS_URL']!);
    gate = await Gate.start(target);
    const through = new URL(target);
    through.port = String(gate.port);
    house = await House.start({ settings: { KILNYARD_REDIS_URL: through.href } });
    const { client } = house;
    await client.project('patient');
    const { id } = await client.start('patient');
    const health = (await (await fetch(`${house.url}/health`)).json()) as {
      status: string;
      components: Record<string, { status: string }>;
    };
    expect(health.status).toBe('degraded');
    expect(health.components['redis']?.status).not.toBe('ok');
    // the workers' sweeps find it without Redis
    expect(await client.ended(id)).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1 });
    gate.unlock();
    expect((await client.run('patient')).buildStatus).toBe('SUCCEEDED');
  });

  it('goes away in the middle: the running build does not notice, the next one waits for it, and all stops cleanly', async () => {
    const target = new URL(process.env['KILNYARD_TEST_REDIS_URL']!);
    gate = await Gate.start(target);
    gate.unlock();
    const through = new URL(target);
    through.port = String(gate.port);
    house = await House.start({ slots: 1, settings: { KILNYARD_REDIS_URL: through.href } });
    const { client } = house;
    await client.project('running', {
      buildspec: 'version: 0.2\nphases:\n  build:\n    commands:\n      - sleep 2\n      - echo through\n',
    });
    const first = await client.start('running');
    await client.inPhase(first.id, 'BUILD');
    gate.shut();
    const second = await client.start('running');
    expect(await client.ended(first.id)).toMatchObject({ buildStatus: 'SUCCEEDED' });
    // the slot that was at work takes the next build by itself
    expect(await client.ended(second.id)).toMatchObject({ buildStatus: 'SUCCEEDED', attempt: 1 });
    await until('the API tells of it', async () => {
      const health = (await (await fetch(`${house.url}/health`)).json()) as { status: string };
      return health.status === 'degraded';
    });
  });
});
