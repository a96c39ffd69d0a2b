// Faults of Redis.
import type { Inject } from './inject.js';

export const flushRedis: Inject = async ({ stage }) => {
  await stage.redis.ask((redis) => redis.flushall());
  return true;
};

export const restartRedis: Inject = async ({ stage, forItsTime }) => {
  await stage.redis.restart(forItsTime);
  return true;
};

export const cutRedis: Inject = async ({ stage, forItsTime }) => {
  stage.redis.proxy.cut();
  await forItsTime();
  stage.redis.proxy.mend();
  return true;
};
