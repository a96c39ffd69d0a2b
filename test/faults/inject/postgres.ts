// Faults of Postgres.
import type { Inject } from './inject.js';

export const restartPostgres: Inject = async ({ stage, forItsTime }) => {
  await stage.postgres.restart('SIGINT', forItsTime);
  return true;
};

export const crashPostgres: Inject = async ({ stage, forItsTime }) => {
  await stage.postgres.restart('SIGQUIT', forItsTime);
  return true;
};

export const cutPostgres: Inject = async ({ stage, forItsTime }) => {
  stage.postgres.proxy.cut();
  await forItsTime();
  stage.postgres.proxy.mend();
  return true;
};

export const stallPostgres: Inject = async ({ stage, forItsTime }) => {
  stage.postgres.proxy.stall();
  await forItsTime();
  stage.postgres.proxy.mend();
  return true;
};
