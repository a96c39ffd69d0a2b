// A Postgres of the suite's own, behind a proxy that can be cut. It keeps what it has committed when its processes die
// (synchronous_commit), and saves the time of making that safe against a loss of power (fsync).
import { dirname, join } from 'node:path';
import { rm } from 'node:fs/promises';
import pg from 'pg';
import { newCutOffProxy, type CutOffProxy } from '../../../apps/api/src/testing/cut-off-proxy.js';
import { thisMachine } from '../../../apps/standalone/src/machine.js';
import { findBinaries, homeFor, serverUser } from '../../../apps/standalone/src/postgres-binaries.js';
import { startPostgres } from '../../../apps/standalone/src/postgres.js';
import { ProcessTable } from '../../../apps/standalone/src/process-table.js';
import { OwnProcess, ready, type Program } from '#testing/own-process.js';

const READY_MS = 60_000;
const STOP_MS = 30_000;
const SETTINGS = ['fsync=off', 'full_page_writes=off'];

export class OwnPostgres {
  private constructor(
    private readonly program: Program,
    private running: OwnProcess,
    /** Past the proxy. */
    readonly directUrl: string,
    readonly proxy: CutOffProxy,
    private readonly data: string,
    private readonly folder: string,
  ) {}

  static async start(folder: string, say: (line: string) => void): Promise<OwnPostgres> {
    const machine = thisMachine();
    // made by the same code as `npm start`; then run by ourselves, so that nothing else starts it again
    const table = new ProcessTable(join(folder, 'processes.json'));
    const made = await startPostgres({ folder, machine, table, say, flags: SETTINGS });
    await made.process.stop();
    const user = machine.root ? await serverUser() : undefined;
    const home = await homeFor(folder, user, () => undefined);
    const { postgres } = await findBinaries(home, say);
    const settings = [`port=${new URL(made.url).port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories='];
    const program: Program = {
      name: 'postgres',
      command: postgres,
      args: ['-D', made.data, ...[...settings, 'max_connections=100', ...SETTINGS].flatMap((one) => ['-c', one])],
      apart: true,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: home.folder,
      ...user,
      logFile: join(folder, 'logs', 'postgres.log'),
    };
    const running = await OwnProcess.start(program);
    await answering(running, made.url);
    return new OwnPostgres(program, running, made.url, await newCutOffProxy(made.url), made.data, folder);
  }

  get url(): string {
    return this.proxy.url;
  }

  /** SIGINT is Postgres' fast shutdown, SIGQUIT its immediate one, after which it recovers. */
  async restart(how: 'SIGINT' | 'SIGQUIT', pause: () => Promise<unknown>): Promise<void> {
    await this.running.stop(how, STOP_MS);
    await pause();
    this.running = await OwnProcess.start(this.program);
    await answering(this.running, this.directUrl);
  }

  /** One statement past the proxy. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.directUrl });
    client.on('error', () => undefined); // the failed query tells
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.running.stop('SIGINT', STOP_MS);
    if (!this.data.startsWith(this.folder)) await rm(dirname(this.data), { recursive: true, force: true });
  }
}

function answering(process: OwnProcess, url: string): Promise<void> {
  return ready(process, READY_MS, async () => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined); // the failed query tells
    await client.connect();
    await client.query('SELECT 1');
    await client.end();
  });
}
