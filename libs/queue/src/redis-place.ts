// Where Redis is: one server, Sentinels that know the present master, or a cluster. Called by producer and consumer.
import { Cluster, Redis, type RedisOptions } from 'ioredis';

export interface RedisPlace {
  /** `redis://` or `rediss://`; in the other modes its user, password, database and TLS count, not its host. */
  redisUrl: string;
  /** Absent: single. */
  redisMode?: 'single' | 'sentinel' | 'cluster';
  /** `host:port` of the Sentinels, or of some of the cluster's nodes. */
  redisNodes?: readonly string[];
  /** The name under which the Sentinels know the master. */
  redisSentinelMaster?: string;
  redisSentinelPassword?: string;
  /** PEM text of the authority that signed the servers' certificates; empty or absent: those that Node trusts. */
  redisCa?: string;
}

export type RedisConnection = Redis | Cluster;

/** Longest pause between attempts to reconnect. */
const MAX_RECONNECT_MS = 2_000;
const SENTINEL_PORT = 26_379;
const PORT = 6_379;

/**
 * A connection that goes on trying for ever. Trouble shows in the calls that need it; the `error` events only say the same
 * again, so `onError` is for diagnostics. Errors: RangeError for a node that is no `host:port`.
 */
export function connectRedis(
  place: RedisPlace,
  options: RedisOptions,
  onError: (error: Error) => void,
): RedisConnection {
  const redis = open(place, { ...options, retryStrategy: pause });
  redis.on('error', onError);
  return redis;
}

/**
 * The prefix of all keys. BullMQ touches several keys at once, so in a cluster they must lie on one node: braces make the part of
 * the key that decides that. All of Kilnyard's queues together are ids of what waits, far below what one node takes.
 */
export function keyPrefix(place: RedisPlace, prefix: string): string {
  return place.redisMode !== 'cluster' || /\{.+\}/.test(prefix) ? prefix : `{${prefix}}`;
}

function open(place: RedisPlace, options: RedisOptions): RedisConnection {
  const { redisMode = 'single', redisNodes = [], redisCa = '' } = place;
  const own = { ...options, ...credentialsOf(place.redisUrl) };
  const url = new URL(place.redisUrl);
  const tls = url.protocol === 'rediss:' ? { tls: redisCa === '' ? {} : { ca: redisCa } } : {};
  switch (redisMode) {
    case 'single':
      return new Redis(place.redisUrl, { ...options, ...tls });
    case 'sentinel':
      return new Redis({
        ...own,
        ...tls,
        sentinels: redisNodes.map((node) => nodeOf(node, SENTINEL_PORT)),
        name: place.redisSentinelMaster ?? 'mymaster',
        ...(place.redisSentinelPassword ? { sentinelPassword: place.redisSentinelPassword } : {}),
        ...('tls' in tls ? { enableTLSForSentinelMode: true, sentinelTLS: tls.tls } : {}),
        sentinelRetryStrategy: pause,
        // a master that became a replica under us refuses writes: ask the Sentinels again
        reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
      });
    case 'cluster': {
      const { enableOfflineQueue = true, retryStrategy: _, ...perNode } = own;
      return new Cluster(
        redisNodes.map((node) => nodeOf(node, PORT)),
        { redisOptions: { ...perNode, ...tls }, enableOfflineQueue, clusterRetryStrategy: pause },
      );
    }
    default:
      throw new RangeError(`redisMode: expected single, sentinel or cluster, got ${String(redisMode satisfies never)}`);
  }
}

function pause(attempt: number): number {
  return Math.min(attempt * 100, MAX_RECONNECT_MS);
}

function credentialsOf(redisUrl: string): RedisOptions {
  const { username, password, pathname } = new URL(redisUrl);
  const db = Number(pathname.slice(1));
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(Number.isInteger(db) && db > 0 ? { db } : {}),
  };
}

/** `host`, `host:port`, `[::1]:port`. */
export function nodeOf(text: string, defaultPort: number): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535)
    throw new RangeError(`KILNYARD_REDIS_NODES: expected host:port, got ${JSON.stringify(text.slice(0, 100))}`);
  return { host, port: port === undefined ? defaultPort : Number(port) };
}
