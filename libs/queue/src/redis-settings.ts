// From settings to where Redis is, the same for API and worker.
import { readFileSync } from 'node:fs';
import type { RedisPlace } from './redis-place.js';
import { nodeOf } from './redis-place.js';

/** As in the section `redis` of the settings. */
export interface RedisSettings {
  redisUrl: string;
  redisMode: 'single' | 'sentinel' | 'cluster';
  redisNodes: readonly string[];
  redisSentinelMaster: string;
  redisSentinelPassword: string;
  redisCaFile: string;
  queuePrefix: string;
}

/** Errors: RangeError for nodes that are missing or no `host:port`; the system's own for a CA file that cannot be read. */
export function redisPlace(settings: RedisSettings): RedisPlace & { prefix: string } {
  const { redisMode, redisNodes, redisCaFile, queuePrefix } = settings;
  if (redisMode !== 'single' && redisNodes.length === 0)
    throw new RangeError(
      `KILNYARD_REDIS_NODES: expected host:port, since KILNYARD_REDIS_MODE is ${redisMode}, got none`,
    );
  for (const node of redisNodes) nodeOf(node, 1);
  return {
    redisUrl: settings.redisUrl,
    redisMode,
    redisNodes,
    redisSentinelMaster: settings.redisSentinelMaster,
    redisSentinelPassword: settings.redisSentinelPassword,
    redisCa: redisCaFile === '' ? '' : readFileSync(redisCaFile, 'utf8'),
    prefix: queuePrefix,
  };
}
