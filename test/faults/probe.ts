// Asks the API all the time for what is known, so that a wrong answer in the middle of a fault is seen: a build that is said not
// to be there, or to have gone back, is worse than no answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { isFinal, type BuildStatus } from '#core/phase.js';
import type { Client } from './client.js';
import type { RunningBuild } from './run-build.js';
import type { Complain } from './stage/kilnyard.js';

const EVERY_MS = 100;
const ANSWER_MS = 10_000;

export class Probe {
  answers = 0;
  /** 503, or no connection. */
  away = 0;
  private readonly seen = new Map<string, { status: BuildStatus; attempt: number }>();

  constructor(
    private readonly client: Client,
    private readonly builds: () => readonly RunningBuild[],
    private readonly complain: Complain,
  ) {}

  /** Asks for one build after the other until it is stopped. */
  async run(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn += 1) {
      await sleep(EVERY_MS);
      const started = this.builds().filter(({ id }) => id !== '');
      const build = started[turn % Math.max(1, started.length)];
      if (build !== undefined) await this.ask(build.id);
    }
  }

  private async ask(id: string): Promise<void> {
    let answer: Response;
    let text: string;
    try {
      answer = await this.client.fetch('GET', `/v1/builds/${id}`, { signal: AbortSignal.timeout(ANSWER_MS) });
      text = await answer.text();
    } catch {
      this.away += 1; // the API itself was killed
      return;
    }
    if (answer.status === 503) {
      this.away += 1;
      if (answer.headers.get('retry-after') === null) this.complain(`GET ${id} answered 503 without Retry-After`);
      return;
    }
    this.answers += 1;
    if (answer.status !== 200) return this.complain(`GET ${id} answered ${answer.status}: ${text.slice(0, 300)}`);
    const build = JSON.parse(text) as { id: string; buildStatus: BuildStatus; attempt: number };
    const before = this.seen.get(id);
    const { buildStatus: status, attempt } = build;
    if (build.id !== id) this.complain(`asked for ${id}, got ${build.id}`);
    if (before && (attempt < before.attempt || (isFinal(before.status) && status !== before.status)))
      this.complain(`${id} went from ${before.status}, attempt ${before.attempt} to ${status}, attempt ${attempt}`);
    this.seen.set(id, { status, attempt });
  }
}
