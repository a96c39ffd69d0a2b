// The spool's back pressure: a sandbox that writes faster than its output is stored is paused at a limit, and goes on when
// half of it is stored.
import { backlog } from './spool.js';

const CHECK_MS = 100;
/** A check that comes so late was held up: this process was stopped, and may find that the sandbox is another's by now. */
const HELD_UP_MS = 10_000;
/** How often a sandbox whose output stands still is told to go on: a worker that had it before may have paused it. */
const NUDGE_MS = 10_000;

export interface BacklogGuardOptions {
  path: string;
  /** Bytes not yet stored at which the sandbox is paused. */
  limitBytes: number;
  pause: () => Promise<void>;
  resume: () => Promise<void>;
  /** Told when a check fails, e.g. because the sandbox is gone. */
  onError: (error: unknown) => void;
}

export class BacklogGuard {
  private position = 0;
  private paused = false;
  private checking = false;
  private checkedAt = performance.now();
  private nudgedAt = performance.now();
  private nudgedPosition = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: BacklogGuardOptions) {
    this.timer = setInterval(() => void this.check(), CHECK_MS);
    this.timer.unref();
  }

  /** Everything before this byte is stored. */
  reached(position: number): void {
    this.position = position;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** One look; the timer makes them. */
  async check(): Promise<void> {
    const now = performance.now();
    const heldUp = now - this.checkedAt > HELD_UP_MS;
    this.checkedAt = now;
    if (this.checking || heldUp) return;
    this.checking = true;
    try {
      const bytes = await backlog(this.options.path, this.position);
      if (!this.paused && bytes > this.options.limitBytes) {
        this.paused = true;
        await this.options.pause();
      } else if (this.paused && bytes < this.options.limitBytes / 2) {
        this.paused = false;
        await this.options.resume();
      } else if (!this.paused) await this.nudge(now);
    } catch (error) {
      this.stop();
      this.options.onError(error);
    } finally {
      this.checking = false;
    }
  }

  private async nudge(now: number): Promise<void> {
    if (this.position !== this.nudgedPosition) {
      this.nudgedPosition = this.position;
      this.nudgedAt = now;
    } else if (now - this.nudgedAt > NUDGE_MS) {
      this.nudgedAt = now;
      await this.options.resume();
    }
  }
}
