// The operator's credentials for registries, for every project alike: a file in the form of Docker's own config.json.
import { readFile, stat } from 'node:fs/promises';
import { Fault, messageOf } from '#core/errors.js';
import type { RegistryAuth } from './pull.js';

/** Docker Hub's name in files that `docker login` wrote. */
const HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

export class RegistryCredentials {
  private stamp = '';
  private byRegistry: ReadonlyMap<string, RegistryAuth> = new Map();

  /** `file`: empty for none. Read again when it changes. */
  constructor(private readonly file: string) {}

  /** In: a registry as in ImageName. Errors: Fault INTERNAL when the file is missing or not what it should be. */
  async for(registry: string): Promise<RegistryAuth | undefined> {
    if (this.file === '') return undefined;
    try {
      const { mtimeMs, size } = await stat(this.file);
      if (this.stamp !== `${mtimeMs} ${size}`) {
        this.byRegistry = parseRegistryCredentials(await readFile(this.file, 'utf8'));
        this.stamp = `${mtimeMs} ${size}`;
      }
    } catch (error) {
      throw new Fault('INTERNAL', `KILNYARD_REGISTRY_AUTH_FILE ${this.file} cannot be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return this.byRegistry.get(registry);
  }
}

/**
 * In: `{"auths": {"registry.example.com": {"auth": "<base64 of user:password>"}}}`; `username` and `password` may stand in the
 * place of `auth`. Entries without any are passed over (credential helpers are not run). Errors: what is wrong with the text.
 */
export function parseRegistryCredentials(text: string): Map<string, RegistryAuth> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // the parser's words would quote what lies in the file
    throw new Error('expected JSON like {"auths": {"registry.example.com": {"auth": "…"}}}');
  }
  const { auths } = (parsed ?? {}) as { auths?: unknown };
  if (typeof auths !== 'object' || auths === null) throw new Error('expected an object "auths" by registry, got none');
  const found = new Map<string, RegistryAuth>();
  for (const [address, entry] of Object.entries(auths as Record<string, unknown>)) {
    const auth = authOf((entry ?? {}) as { auth?: unknown; username?: unknown; password?: unknown });
    if (auth !== null) found.set(registryOf(address), auth);
  }
  return found;
}

function authOf(entry: { auth?: unknown; username?: unknown; password?: unknown }): RegistryAuth | null {
  const { auth, username, password } = entry;
  if (typeof username === 'string' && typeof password === 'string') return { username, password };
  if (typeof auth !== 'string') return null;
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 ? null : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** `https://index.docker.io/v1/` and the like. */
function registryOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return HUB.includes(host) ? 'docker.io' : host;
}
