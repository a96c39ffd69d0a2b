// What the API stands on, opened once at its start and handed to every room; nothing here reads the environment.
import type { Blobs } from '#blobs/blobs.js';
import type { Settings } from '#config/settings.js';
import type { Logger } from '#observe/logger.js';
import type { Metrics } from '#observe/metrics.js';
import type { BuildQueue } from '#queue/producer.js';
import type { Database } from '#store/database.js';
import type { Listener } from '#store/listen.js';
import type { MasterKey } from '#store/seal.js';

/** The sections of the settings that the API reads; of `worker` how long leases hold and how often rows are looked over. */
export const API_SECTIONS = [
  'http',
  'database',
  'redis',
  'storage',
  'worker',
  'docker',
  'source',
  'logs',
  'access',
] as const;
export type ApiSettings = Settings<(typeof API_SECTIONS)[number]>;

export interface Connections {
  settings: ApiSettings;
  database: Database;
  listener: Listener;
  queue: BuildQueue;
  blobs: Blobs;
  masterKey: MasterKey;
  logger: Logger;
  metrics: Metrics;
}

/** Injection tokens of those that are not classes of their own. */
export const SETTINGS = Symbol('ApiSettings');
export const LOGGER = Symbol('Logger');
