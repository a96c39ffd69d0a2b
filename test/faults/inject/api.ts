// Faults of the API.
import type { Inject } from './inject.js';

export const killApi: Inject = async ({ stage, forItsTime }) => {
  await stage.kilnyard.killApi(forItsTime);
  return true;
};

export const restartApi: Inject = async ({ stage, forItsTime }) => {
  await stage.kilnyard.restartApi(forItsTime);
  return true;
};
