// The key that seals parameters and secrets, and the admin's token: made once, kept in the data folder, mode 600.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { keptSecret, readIfThere, writePrivate } from './data-folder.js';

/**
 * The file with the master key: 32 random bytes in base64, made when it is missing.
 * In: KILNYARD_MASTER_KEY_FILE where it is set. A lost key cannot be replaced: what it sealed is lost with it.
 */
export async function keepMasterKey(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const file = env.KILNYARD_MASTER_KEY_FILE || join(folder, 'master.key');
  if (!env.KILNYARD_MASTER_KEY) await keptSecret(file, { bytes: 32, encoding: 'base64' });
  return file;
}

export interface Connection {
  url: string;
  token: string;
}

/**
 * The admin's token: KILNYARD_ADMIN_TOKEN, else the one that connection.json keeps, else a new one.
 * The API makes it known to the database at its start, so a token that the file holds is good also with a new database.
 */
export async function adminToken(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  if (env.KILNYARD_ADMIN_TOKEN) return env.KILNYARD_ADMIN_TOKEN;
  const known = parseConnection((await readIfThere(join(folder, 'connection.json'))) ?? '');
  return known?.token ?? `kiln_${randomBytes(32).toString('base64url')}`;
}

/** Writes `connection.json`, mode 600: how to reach this Kilnyard. */
export async function writeConnection(folder: string, connection: Connection): Promise<void> {
  await writePrivate(join(folder, 'connection.json'), `${JSON.stringify(connection, null, 2)}\n`);
}

export function parseConnection(text: string): Connection | undefined {
  try {
    const { url, token } = JSON.parse(text) as Partial<Connection>;
    return typeof url === 'string' && typeof token === 'string' && token !== '' ? { url, token } : undefined;
  } catch {
    return undefined; // none yet, or not readable: a new one is made
  }
}
