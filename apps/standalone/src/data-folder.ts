// The one folder in which everything of this installation lies, and the small files in it that only we may read.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes the folder and its `logs`, closed to others (mode 700; 710 stays where the server's user passes through it). */
export async function openDataFolder(folder: string): Promise<void> {
  await mkdir(join(folder, 'logs'), { recursive: true, mode: 0o700 });
  const { mode } = await stat(folder);
  await chmod(folder, (mode & 0o010) | 0o700);
}

/** Writes a file whole or not at all, readable by us alone (mode 600). */
export async function writePrivate(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.new`;
  await writeFile(draft, text, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, file);
}

/** The text of a file, or undefined when there is none. Other troubles are passed on. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A secret that is made once and kept in a file (mode 600): `bytes` random bytes, base64url unless told otherwise. */
export async function keptSecret(
  file: string,
  options: { bytes?: number; encoding?: 'base64' | 'base64url' } = {},
): Promise<string> {
  const known = (await readIfThere(file))?.trim();
  if (known) return known;
  const secret = randomBytes(options.bytes ?? 24).toString(options.encoding ?? 'base64url');
  await writePrivate(file, `${secret}\n`);
  return secret;
}

/** A number that is kept from start to start in `ports.json` (which port was used for what). */
export async function keptPort(
  folder: string,
  name: string,
  choose: (last?: number) => Promise<number>,
): Promise<number> {
  const file = join(folder, 'ports.json');
  const last = parsePorts((await readIfThere(file)) ?? '{}');
  const port = await choose(last[name]);
  if (last[name] !== port) {
    const now = parsePorts((await readIfThere(file)) ?? '{}');
    await writePrivate(file, `${JSON.stringify({ ...now, [name]: port })}\n`);
  }
  return port;
}

/** Reads `ports.json`; anything that is not a port is as if it were not there. */
export function parsePorts(text: string): Record<string, number> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(
      Object.entries(value).filter(([, port]) => Number.isInteger(port) && port > 0 && port < 65_536),
    );
  } catch {
    return {}; // a half-written file of an older version: ports are chosen anew
  }
}
