// What the cleanup tells Prometheus; parts have fixed names.
import type { Metrics } from '#observe/metrics.js';
import type { Taken } from '#store/retention/retention.store.js';

export class CleanupMetrics {
  readonly failures;
  private readonly removed;
  private readonly removedBytes;
  private readonly used;
  private readonly budget;

  constructor(metrics: Metrics) {
    const labels = ['part'] as const;
    this.removed = metrics.counter({
      name: 'kilnyard_cleanup_removed_total',
      help: 'What retention and budgets took away.',
      labels,
    });
    this.removedBytes = metrics.counter({
      name: 'kilnyard_cleanup_removed_bytes_total',
      help: 'Bytes that retention and budgets gave back.',
      labels,
    });
    this.failures = metrics.counter({
      name: 'kilnyard_cleanup_failures_total',
      help: 'Parts of a cleanup that failed.',
      labels,
    });
    this.used = metrics.gauge({ name: 'kilnyard_storage_used_bytes', help: 'As the last cleanup left it.', labels });
    this.budget = metrics.gauge({
      name: 'kilnyard_storage_budget_bytes',
      help: 'What a part may take; absent where it has no budget.',
      labels,
    });
  }

  took(part: string, { items, bytes }: Taken): void {
    this.removed.inc({ part }, items);
    this.removedBytes.inc({ part }, bytes);
  }

  measured(part: string, { usedBytes, budgetBytes }: { usedBytes: number; budgetBytes: number | null }): void {
    this.used.set({ part }, usedBytes);
    if (budgetBytes !== null) this.budget.set({ part }, budgetBytes);
  }
}
