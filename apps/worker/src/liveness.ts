// How workers of one Docker host tell a dead one from one that is only slow: each answers on a socket in the shared data folder with
// the builds that it runs. A process that is gone refuses the connection; one that is stopped takes it and says nothing.
import { mkdir, open, readdir, unlink, type FileHandle } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

/** How long an answer may take. */
const ANSWER_MS = 1_000;
/** Longest answer that is read. */
const MAX_ANSWER_BYTES = 1024 * 1024;

export type Sign =
  /** Its process has ended. */
  | { state: 'gone' }
  /** It is there and does not answer: stopped, or far too busy. */
  | { state: 'silent' }
  | { state: 'alive'; runs: ReadonlySet<string> };

export class Liveness {
  private constructor(
    private readonly folder: FileHandle,
    private readonly server: Server,
    private readonly id: string,
  ) {}

  /** In: `runs` names the builds that this worker runs now. */
  static async start(dataDir: string, id: string, runs: () => Iterable<string>): Promise<Liveness> {
    const dir = join(dataDir, 'workers');
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const folder = await open(dir);
    const server = createServer((socket) => {
      socket.on('error', () => undefined); // whoever asked has gone
      socket.end(JSON.stringify([...runs()]));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(pathIn(folder, id), () => resolve());
    });
    return new Liveness(folder, server, id);
  }

  /** What another worker of this host shows of itself. */
  async ask(other: string): Promise<Sign> {
    return await new Promise((resolve) => {
      let answer = '';
      const socket = connect(pathIn(this.folder, other));
      const settle = (sign: Sign): void => {
        socket.destroy();
        resolve(sign);
      };
      socket.setTimeout(ANSWER_MS, () => settle({ state: 'silent' }));
      socket.on('data', (bytes) => {
        answer += bytes.toString();
        if (answer.length > MAX_ANSWER_BYTES) settle({ state: 'silent' });
      });
      socket.on('end', () => settle(read(answer)));
      socket.on('error', (error: NodeJS.ErrnoException) =>
        settle({ state: error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'gone' : 'silent' }),
      );
    });
  }

  /** Takes away the sockets of workers that are gone. Out: how many. */
  async tidy(): Promise<number> {
    let count = 0;
    for (const name of await readdir(`/proc/self/fd/${this.folder.fd}`)) {
      if (!name.endsWith('.sock') || (await this.ask(name.slice(0, -5))).state !== 'gone') continue;
      await unlink(pathIn(this.folder, name.slice(0, -5))).catch(() => undefined); // another worker was first
      count += 1;
    }
    return count;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
    await unlink(pathIn(this.folder, this.id)).catch(() => undefined); // the server takes it away itself where it can
    await this.folder.close();
  }
}

/** A socket's path may have 107 bytes and a data folder's more: by way of the open folder it is always short. */
function pathIn(folder: FileHandle, id: string): string {
  return `/proc/self/fd/${folder.fd}/${id}.sock`;
}

function read(answer: string): Sign {
  try {
    return { state: 'alive', runs: new Set(JSON.parse(answer) as string[]) };
  } catch {
    return { state: 'silent' }; // it died in the middle of its answer: the next look tells
  }
}
