// Faults of workers.
import { LEASE_MS } from '../stage/kilnyard.js';
import type { Inject } from './inject.js';

/** Between the two signals: the first has been heard, and nothing has ended yet. */
const HURRY_MS = 500;
/** By so much a pause is longer than a lease: the sweep of the other worker has come by then. */
const BEYOND_LEASE_MS = 3_000;

export const killWorker: Inject = async ({ stage, fault, forItsTime }) => {
  await stage.kilnyard.killWorker(fault.worker, forItsTime);
  return true;
};

export const rollWorker: Inject = async ({ stage, fault }) => {
  await stage.kilnyard.rollWorker(fault.worker);
  return true;
};

/** The second signal leaves what runs: there is nobody to hand it over to. */
export const restartWorkers: Inject = async ({ stage, forItsTime }) => {
  await stage.kilnyard.restartWorkers(HURRY_MS, forItsTime);
  return true;
};

export const pauseWorker: Inject = async ({ stage, fault }) => {
  await stage.kilnyard.pauseWorker(fault.worker, LEASE_MS + BEYOND_LEASE_MS);
  return true;
};
