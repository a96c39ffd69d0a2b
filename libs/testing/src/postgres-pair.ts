// Two real Postgres servers, a primary and its synchronous standby, behind one address that moves as a virtual IP or HAProxy does.
// They are the servers of `npm start` (apps/standalone), each in a folder of its own.
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { newCutOffProxy, type CutOffProxy } from '../../../apps/api/src/testing/cut-off-proxy.js';
import { openDataFolder } from '../../../apps/standalone/src/data-folder.js';
import { thisMachine } from '../../../apps/standalone/src/machine.js';
import { homeFor, serverUser } from '../../../apps/standalone/src/postgres-binaries.js';
import { startPostgres, type EmbeddedPostgres } from '../../../apps/standalone/src/postgres.js';
import { ProcessTable } from '../../../apps/standalone/src/process-table.js';
import { until } from './until.js';

const exec = promisify(execFile);
/** What the operating system holds outlives a process: a killed server loses nothing by it. */
const FLAGS = ['fsync=off', 'full_page_writes=off'];
const STANDBY = 'standby';

interface Server {
  folder: string;
  running: EmbeddedPostgres;
}

export class PostgresPair {
  private constructor(
    private readonly primary: Server,
    private readonly standby: Server,
    private readonly address: CutOffProxy,
  ) {}

  /** Resolves when the standby follows: from then on a commit is acknowledged when both have it. */
  static async start(): Promise<PostgresPair> {
    const started: Server[] = [];
    try {
      const primary = await startServer(await newFolder(), FLAGS);
      started.push(primary);
      const standby = await startStandby(await newFolder(), primary);
      started.push(standby);
      await query(primary.running.url, `ALTER SYSTEM SET synchronous_standby_names = '${STANDBY}'`);
      await query(primary.running.url, 'SELECT pg_reload_conf()');
      await until('the standby is synchronous', async () => {
        const [row] = await query<{ sync_state: string }>(
          primary.running.url,
          'SELECT sync_state FROM pg_stat_replication',
        );
        return row?.sync_state === 'sync';
      });
      return new PostgresPair(primary, standby, await newCutOffProxy(primary.running.url));
    } catch (error) {
      await end(started);
      throw error;
    }
  }

  /** Of the address that moves. */
  get url(): string {
    return this.address.url;
  }

  /** The primary's machine goes, with all that its processes had in hand; nobody answers at the address. */
  async killPrimary(): Promise<void> {
    const { process: server } = this.primary.running;
    const { pid } = server;
    // from here on nothing starts it again
    await server.letLive();
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    for (const one of [String(pid), ...children.trim().split(' ')]) kill(Number(one));
    this.address.cut();
  }

  /** What the one does who watches over the two: the standby becomes the primary, and the address is its own. */
  async promote(): Promise<void> {
    await query(this.standby.running.url, 'SELECT pg_promote(true)');
    this.address.moveTo(this.standby.running.url);
    this.address.mend();
  }

  async close(): Promise<void> {
    await this.address.close();
    await end([this.primary, this.standby]);
  }
}

/** Of its own in the temporary folder, so that the server's user can get there. */
const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'kilnyard-pair-'));

async function startServer(folder: string, flags: string[]): Promise<Server> {
  await openDataFolder(folder);
  const table = new ProcessTable(join(folder, 'processes.json'));
  const running = await startPostgres({ folder, machine: thisMachine(), table, say: () => undefined, flags });
  return { folder, running };
}

/** A base backup by hand, since no pg_basebackup comes with the binaries: the files as they are, and what the primary says of them. */
async function startStandby(folder: string, primary: Server): Promise<Server> {
  const { url, data: from } = primary.running;
  await openDataFolder(folder);
  const home = await homeFor(folder, thisMachine().root ? await serverUser() : undefined, () => undefined);
  const data = join(home.folder, 'postgres');
  await copyFile(join(primary.folder, 'postgres.password'), join(folder, 'postgres.password'));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // what is written from here on is kept for the standby
    await client.query(`SELECT pg_create_physical_replication_slot('${STANDBY}', true)`);
    await client.query(`SELECT pg_backup_start('${STANDBY}', true)`);
    // its owner is another user than this process, where that is root
    await exec('cp', ['-a', from, data]);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await rm(join(data, 'postmaster.pid'));
    await rm(join(data, 'pg_replslot', STANDBY), { recursive: true });
    await writeFile(join(data, 'backup_label'), rows[0]!.labelfile);
    await writeFile(join(data, 'standby.signal'), '');
    await exec('chown', ['--reference', data, join(data, 'backup_label'), join(data, 'standby.signal')]);
  } finally {
    await client.end();
  }
  const at = new URL(url);
  const conninfo = `host=${at.hostname} port=${at.port} user=${at.username} password=${at.password} application_name=${STANDBY}`;
  return startServer(folder, [...FLAGS, `primary_conninfo=${conninfo}`, `primary_slot_name=${STANDBY}`]);
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function end(servers: Server[]): Promise<void> {
  for (const { folder, running } of servers.reverse()) {
    await running.process.stop();
    // where the server's user cannot enter the temporary folder the data lies elsewhere
    if (!running.data.startsWith(folder)) await rm(dirname(running.data), { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
}
