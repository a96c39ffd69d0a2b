// Prometheus metrics of one process. Names start with kilnyard_, units are seconds and bytes, and no label takes a value that a caller can make up.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const NAME = /^kilnyard_[a-z0-9]+(_[a-z0-9]+)*$/;

/** Seconds; from a cached read to a slow upload. */
export const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds; from a waiting container to a morning's queue. */
export const QUEUE_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400];

interface Described<L extends string> {
  name: string;
  help: string;
  labels?: readonly L[];
}

/** The registry of a process, and the only way to add a metric to it. A wrong name is a bug and throws at once. */
export class Metrics {
  readonly registry = new Registry();

  /** `process`: also CPU, memory, event loop and GC of this process. */
  constructor(options: { process?: boolean } = {}) {
    if (options.process === true) collectDefaultMetrics({ register: this.registry, prefix: 'kilnyard_' });
  }

  counter<L extends string = never>(described: Described<L>): Counter<L> {
    return new Counter<L>(this.settled(described));
  }

  /** `collect` is called at every scrape, to set the present value. */
  gauge<L extends string = never>(
    described: Described<L>,
    collect?: (gauge: Gauge<L>) => Promise<void> | void,
  ): Gauge<L> {
    return new Gauge<L>({
      ...this.settled(described),
      ...(collect === undefined
        ? {}
        : {
            collect(this: Gauge<L>) {
              return collect(this);
            },
          }),
    });
  }

  histogram<L extends string = never>(described: Described<L> & { buckets: readonly number[] }): Histogram<L> {
    return new Histogram<L>({ ...this.settled(described), buckets: [...described.buckets] });
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  private settled<L extends string>(described: Described<L>) {
    if (!NAME.test(described.name)) throw new Error(`metric names are kilnyard_* in snake case, got ${described.name}`);
    return {
      name: described.name,
      help: described.help,
      labelNames: [...(described.labels ?? [])],
      registers: [this.registry],
    };
  }
}

/** How long builds waited. Observed by the worker at each claim, the one place where it happens once. */
export function buildQueueSeconds(metrics: Metrics): Histogram {
  return metrics.histogram({
    name: 'kilnyard_build_queue_seconds',
    help: 'Time from the request for a build to its claim by a worker.',
    buckets: QUEUE_SECONDS,
  });
}
