// Ports on this machine: a free one, one that is kept from start to start, and who holds one that is taken.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';

/** Is the port free on that address? */
export function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * A free port of 127.0.0.1: `preferred` when it is free, else any.
 * Between the answer and its use another program may take it; who binds it must say so.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Who listens on a TCP port, as `node (pid 4711)`; undefined where /proc does not tell us. */
export async function holderOf(port: number): Promise<string | undefined> {
  const inode = await listeningInode(port);
  if (inode === undefined) return undefined;
  for (const pid of (await entries('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const fd of await entries(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (target !== `socket:[${inode}]`) continue;
      const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a process');
      return `${name.trim()} (pid ${pid})`;
    }
  }
  return undefined;
}

async function listeningInode(port: number): Promise<string | undefined> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  );
  return parseListening(tables.join('\n'), port);
}

/** Finds the socket's inode for a listening port in the text of /proc/net/tcp. */
export function parseListening(table: string, port: number): string | undefined {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of table.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(wanted) && fields[3] === '0A') return fields[9];
  }
  return undefined;
}

/** The names in a folder; none where it is gone or not ours to read. */
async function entries(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
