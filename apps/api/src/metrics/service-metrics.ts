// What the API measures beside its requests: the queue, the day's builds, the database's answer. Looked up at a scrape, at most once a second.
import { BUILD_STATUSES } from '#core/phase.js';
import type { Logger } from '#observe/logger.js';
import type { Metrics } from '#observe/metrics.js';
import type { Database } from '#store/database.js';
import type { QueueCounts, QueueCountsStore } from '#store/queue-counts.store.js';

const CACHE_MS = 1000;
const DAY_MS = 86_400_000;

/** Registers the gauges. A scrape while Postgres is away shows `kilnyard_database_up 0` and no stale figures. */
export function registerServiceMetrics(on: {
  metrics: Metrics;
  database: Pick<Database, 'ping'>;
  counts: QueueCountsStore;
  logger: Logger;
}): void {
  const { metrics, counts, logger } = on;
  const latest = shared(async () => {
    const [queue, day] = await Promise.all([counts.read(), counts.byStatusSince(new Date(Date.now() - DAY_MS))]);
    return { queue, day };
  });
  const ask = async (): Promise<Awaited<ReturnType<typeof latest>> | null> => {
    try {
      return await latest();
    } catch (error) {
      logger.warn('metrics could not be read from the database', { error });
      return null;
    }
  };
  const queueGauge = (name: string, help: string, of: (queue: QueueCounts) => number): void => {
    metrics.gauge({ name, help }, async (gauge) => {
      const found = await ask();
      if (found === null) gauge.reset();
      else gauge.set(of(found.queue));
    });
  };
  queueGauge('kilnyard_queue_waiting', 'Builds that wait for a worker.', (queue) => queue.waiting);
  queueGauge('kilnyard_builds_running', 'Builds that a worker runs.', (queue) => queue.running);
  queueGauge(
    'kilnyard_queue_oldest_seconds',
    'Age of the build that waits longest.',
    (queue) => queue.oldestWaitingSeconds,
  );
  metrics.gauge(
    { name: 'kilnyard_builds_last_day', help: 'Builds asked for in the last 24 hours, by status.', labels: ['status'] },
    async (gauge) => {
      const found = await ask();
      gauge.reset();
      if (found !== null) for (const status of BUILD_STATUSES) gauge.set({ status }, found.day[status] ?? 0);
    },
  );
  registerPing(metrics, on.database);
}

function registerPing(metrics: Metrics, database: Pick<Database, 'ping'>): void {
  const up = metrics.gauge({ name: 'kilnyard_database_up', help: '1 when Postgres answers.' });
  metrics.gauge(
    { name: 'kilnyard_database_ping_seconds', help: 'Time of one round trip to Postgres.' },
    async (gauge) => {
      const started = performance.now();
      const answers = await database.ping().then(
        () => true,
        () => false, // said by the gauge beside this one
      );
      up.set(answers ? 1 : 0);
      gauge.set((performance.now() - started) / 1000);
    },
  );
}

function shared<T>(read: () => Promise<T>): () => Promise<T> {
  let cached: { at: number; value: Promise<T> } | null = null;
  return () => {
    const now = performance.now();
    if (cached === null || now - cached.at > CACHE_MS) cached = { at: now, value: read() };
    return cached.value;
  };
}
