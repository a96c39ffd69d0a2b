// The environment of the API and the worker: what the person set, and over it the addresses of what was started here.
import { resolve } from 'node:path';

export interface Addresses {
  folder: string;
  masterKeyFile: string;
  databaseUrl: string;
  redisUrl: string;
  host: string;
  port: number;
  publicUrl: string;
  dockerSocket: string | undefined;
}

/**
 * Lays the addresses over an environment.
 * Out: absolute paths, so that it does not matter where the child runs; KILNYARD_ADMIN_TOKEN is left out (see withToken).
 */
export function childEnv(env: NodeJS.ProcessEnv, at: Addresses): NodeJS.ProcessEnv {
  const { KILNYARD_ADMIN_TOKEN: _, ...rest } = env;
  return {
    ...rest,
    NODE_ENV: env.NODE_ENV ?? 'production',
    KILNYARD_DATA_DIR: resolve(at.folder),
    KILNYARD_MASTER_KEY_FILE: resolve(at.masterKeyFile),
    KILNYARD_DATABASE_URL: at.databaseUrl,
    KILNYARD_REDIS_URL: at.redisUrl,
    KILNYARD_HOST: at.host,
    KILNYARD_PORT: String(at.port),
    KILNYARD_PUBLIC_URL: at.publicUrl,
    ...(at.dockerSocket === undefined ? {} : { KILNYARD_DOCKER_SOCKET: at.dockerSocket }),
  };
}

/** For the API alone: no build's worker needs the admin's token. */
export function withToken(env: NodeJS.ProcessEnv, token: string): NodeJS.ProcessEnv {
  return { ...env, KILNYARD_ADMIN_TOKEN: token };
}

/** The URL under which a person on this machine reaches the API; an address that means "all" becomes the loopback one. */
export function reachableUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
