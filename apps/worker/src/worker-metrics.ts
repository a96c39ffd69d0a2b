// What a worker tells Prometheus.
import { QUEUE_SECONDS, type Metrics } from '#observe/metrics.js';
import type { FinalStatus } from '#core/phase.js';

/** Seconds; from an empty phase to the longest build that CodeBuild allows. */
const PHASE_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 129_600];

export class WorkerMetrics {
  readonly phaseSeconds;
  readonly queueSeconds;
  readonly builds;
  readonly retried;
  readonly logBytes;
  readonly logLines;
  readonly swept;
  readonly bugs;
  private readonly taken;

  constructor(metrics: Metrics, slots: { total: number; running: () => number; waiting: () => number }) {
    this.phaseSeconds = metrics.histogram({
      name: 'kilnyard_phase_seconds',
      help: 'How long phases took.',
      labels: ['phase', 'status'],
      buckets: PHASE_SECONDS,
    });
    this.queueSeconds = metrics.histogram({
      name: 'kilnyard_claim_wait_seconds',
      help: 'From a request, or from going back to the queue, to the claim by this worker.',
      buckets: QUEUE_SECONDS,
    });
    this.builds = metrics.counter({
      name: 'kilnyard_builds_ended_total',
      help: 'Builds that this worker ended.',
      labels: ['status'],
    });
    this.retried = metrics.counter({
      name: 'kilnyard_builds_retried_total',
      help: 'Attempts of this worker that were followed by another.',
    });
    this.logBytes = metrics.counter({ name: 'kilnyard_log_stored_bytes_total', help: 'Bytes of build logs stored.' });
    this.logLines = metrics.counter({ name: 'kilnyard_log_stored_lines_total', help: 'Lines of build logs stored.' });
    this.swept = metrics.counter({
      name: 'kilnyard_orphans_swept_total',
      help: 'Containers without an owner that were removed.',
    });
    this.bugs = metrics.counter({ name: 'kilnyard_bugs_total', help: 'Failures of Kilnyard that nobody foresaw.' });
    metrics.gauge({ name: 'kilnyard_slots', help: 'Builds that this worker runs at once.' }, (gauge) =>
      gauge.set(slots.total),
    );
    metrics.gauge({ name: 'kilnyard_slots_busy', help: 'Builds that this worker runs now.' }, (gauge) =>
      gauge.set(slots.running()),
    );
    metrics.gauge({ name: 'kilnyard_waiting_containers', help: 'Containers that wait for a build.' }, (gauge) =>
      gauge.set(slots.waiting()),
    );
    this.taken = metrics.counter({
      name: 'kilnyard_container_takes_total',
      help: 'Builds by whether their container waited for them (hit) or had to be made (miss).',
      labels: ['result'],
    });
  }

  waitingTaken(hit: boolean): void {
    this.taken.inc({ result: hit ? 'hit' : 'miss' });
  }

  ended(status: FinalStatus): void {
    this.builds.inc({ status });
  }
}
