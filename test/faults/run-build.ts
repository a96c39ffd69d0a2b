// One build of the run as its user sees it: started, followed, stopped where that is its kind, and seen to its end.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import type { BuildCase } from './builds.js';
import type { Client } from './client.js';
import { LogReader } from './log-reader.js';

const LOOK_EVERY_MS = 100;

export class RunningBuild {
  /** Public id. */
  id = '';
  reader: LogReader | null = null;
  /** As it was when its log had ended. */
  view: BuildView | null = null;
  /** It was under way while a disk was full. */
  mayHaveMetFullDisk = false;

  constructor(
    readonly planned: BuildCase,
    private readonly client: Client,
  ) {}

  get name(): string {
    return `build ${this.planned.number} (${this.planned.kind})`;
  }

  get ended(): boolean {
    return this.view !== null;
  }

  /** How much of its output its reader has, in percent; -1 before its start. */
  get percent(): number {
    if (this.reader === null) return -1;
    return (100 * this.reader.ownLines) / this.planned.expected.output.length;
  }

  /** The same key each time: however often the request must be sent again, one build comes of it. */
  async start(seed: number): Promise<void> {
    const path = `/v1/projects/${this.planned.project}/builds`;
    const headers = { 'idempotency-key': `faults-${seed}-${this.planned.number}` };
    this.id = (await this.client.json<BuildView>('POST', path, {}, headers)).id;
    this.reader = new LogReader(this.client, this.id);
  }

  /** Resolves when its log has ended and its status is final. Errors: `signal`'s reason. */
  async toItsEnd(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const stopping = this.stopInTime(AbortSignal.any([signal, over.signal]));
    await this.reader!.follow(signal);
    signal.throwIfAborted();
    this.view = await this.client.build(this.id);
    over.abort();
    await stopping;
  }

  private async stopInTime(signal: AbortSignal): Promise<void> {
    const { stopAtPercent } = this.planned;
    if (stopAtPercent === null) return;
    while (this.percent < stopAtPercent && !signal.aborted) await sleep(LOOK_EVERY_MS);
    if (!signal.aborted) await this.client.json('POST', `/v1/builds/${this.id}/stop`);
  }
}
