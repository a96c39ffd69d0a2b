// What was started, and in which order it is ended: the worker first, the engine last, whatever order they came up in.
import type { Say } from './say.js';

export const STOP_ORDER = ['worker', 'api', 'git', 'redis', 'postgres', 'engine', 'lock'] as const;
export type Part = (typeof STOP_ORDER)[number];
type Close = (now: AbortSignal) => Promise<unknown>;

export class Closers {
  private readonly parts = new Map<Part, Close>();

  constructor(private readonly say: Say) {}

  add(part: Part, close: Close): void {
    this.parts.set(part, close);
  }

  /**
   * Ends all parts in order; one that fails does not keep the others. Idempotent.
   * In: `now`, aborted when waiting must end at once. Out: whether all ended well.
   */
  async closeAll(now: AbortSignal): Promise<boolean> {
    let well = true;
    for (const part of STOP_ORDER) {
      const close = this.parts.get(part);
      this.parts.delete(part);
      try {
        await close?.(now);
      } catch (error) {
        well = false;
        this.say(`${part} did not stop well: ${(error as Error).message}`);
      }
    }
    return well;
  }
}
