// A TCP proxy that stands for a bad network: slow, cut, or silent, as the test says while it runs.
import { createServer, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const PIECE_BYTES = 16 * 1024;

export class BadNetwork {
  /** What comes back from the server, for all connections together; Infinity: as fast as it goes. */
  bytesPerSecond = Infinity;
  /** The next so many connections are cut as they come. */
  refuse = 0;
  /** Nothing goes back any more, and no connection is cut. */
  silent = false;
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((socket) => this.accept(socket));
  private nextAt = 0;

  private constructor(private readonly port: number) {}

  static async before(port: number): Promise<BadNetwork> {
    const network = new BadNetwork(port);
    await new Promise<void>((resolve) => network.server.listen(0, '127.0.0.1', resolve));
    return network;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  /** Cuts every connection there is. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(socket: Socket): void {
    if (this.refuse > 0) {
      this.refuse -= 1;
      socket.destroy();
      return;
    }
    const upstream = connect(this.port, '127.0.0.1');
    for (const one of [socket, upstream]) {
      this.sockets.add(one);
      one.on('error', () => undefined); // its close tells the other side
      one.on('close', () => this.sockets.delete(one));
    }
    // what the server said before it closed is still given back
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream);
    void this.giveBack(upstream, socket);
  }

  private async giveBack(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const bytes of from as AsyncIterable<Buffer>) {
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          const piece = bytes.subarray(at, at + PIECE_BYTES);
          while (this.silent && !to.destroyed) await sleep(20);
          await this.turn(piece.length);
          if (to.destroyed) return;
          if (!to.write(piece)) await new Promise((resolve) => to.once('drain', resolve).once('close', resolve));
        }
      }
      to.end();
    } catch {
      to.destroy(); // the server's side was cut
    }
  }

  private async turn(bytes: number): Promise<void> {
    if (this.bytesPerSecond === Infinity) return;
    const now = Date.now();
    this.nextAt = Math.max(this.nextAt, now) + (bytes / this.bytesPerSecond) * 1000;
    await sleep(this.nextAt - now);
  }
}
