// The spool's back pressure: a sandbox that writes faster than its output is stored is paused at a limit, and goes on when
// half of it is stored.
import { backlog } from './spool.js';

const CHECK_MS = 100;

export class BacklogGuard {
  private position = 0;
  private paused = false;
  private checking = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly options: {
      path: string;
      /** Bytes not yet stored at which the sandbox is paused. */
      limitBytes: number;
      pause: () => Promise<void>;
      resume: () => Promise<void>;
      /** Told when a check fails, e.g. because the sandbox is gone. */
      onError: (error: unknown) => void;
    },
  ) {
    this.timer = setInterval(() => void this.check(), CHECK_MS);
    this.timer.unref();
  }

  /** The reader has taken everything before this byte. */
  reached(position: number): void {
    this.position = position;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async check(): Promise<void> {
    if (this.checking) return;
    this.checking = true;
    try {
      const bytes = await backlog(this.options.path, this.position);
      if (!this.paused && bytes > this.options.limitBytes) {
        this.paused = true;
        await this.options.pause();
      } else if (this.paused && bytes < this.options.limitBytes / 2) {
        this.paused = false;
        await this.options.resume();
      }
    } catch (error) {
      this.stop();
      this.options.onError(error);
    } finally {
      this.checking = false;
    }
  }
}
