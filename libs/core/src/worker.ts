// A worker as the rest of the house sees it: one process on one Docker host, with slots.
import type { WorkerId } from './ids.js';

export interface WorkerInfo {
  id: WorkerId;
  hostname: string;
  version: string;
  /** Builds that it runs at once. */
  slots: number;
  running: number;
  state: 'ACTIVE' | 'DRAINING' | 'DEGRADED';
  /** Why it is not ACTIVE; empty otherwise. */
  message: string;
  startedAt: Date;
  seenAt: Date;
}
