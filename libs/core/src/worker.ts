// A worker as the rest of the house sees it: one process on one Docker host, with slots.
import type { WorkerId } from './ids.js';

export interface WorkerInfo {
  id: WorkerId;
  hostname: string;
  /** Docker host, by the id of its data folder: workers that share one can adopt each other's builds. */
  host: string;
  version: string;
  /** Builds that it runs at once. */
  slots: number;
  /** Set aside for builds that ask for it; empty: the common pool. */
  fleet: string;
  labels: string[];
  running: number;
  state: 'ACTIVE' | 'DRAINING' | 'DEGRADED';
  /** What its engine says of itself, or why the worker is not ACTIVE. */
  message: string;
  startedAt: Date;
  seenAt: Date;
}
