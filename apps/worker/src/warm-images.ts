// Images that the operator wants on this host before a build asks: pulled at the worker's start and kept up to date on a timer.
// A failure is told in the worker's message and log, and keeps no build from running.
import { messageOf } from '#core/errors.js';
import type { Backend } from '#engine/backend/backend.js';
import type { Logger } from '#observe/logger.js';

export class WarmImages {
  private readonly troubles = new Map<string, string>();
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();

  constructor(private readonly options: { backend: Backend; logger: Logger; images: readonly string[] }) {}

  /** What could not be kept warm, for the worker's message; one entry an image. */
  get notes(): readonly string[] {
    return [...this.troubles].map(([image, why]) => `warm image ${image}: ${why}`);
  }

  start(everyMs: number): void {
    if (this.options.images.length === 0) return;
    this.round = this.pullAll().finally(() => {
      if (!this.stopping.signal.aborted) this.timer = setTimeout(() => this.start(everyMs), everyMs).unref();
    });
  }

  /** Cuts a pull that runs. */
  async stop(): Promise<void> {
    this.stopping.abort();
    if (this.timer !== null) clearTimeout(this.timer);
    await this.round;
  }

  /** One after the other: builds that wait for an image go first. */
  private async pullAll(): Promise<void> {
    const { backend, logger, images } = this.options;
    const { signal } = this.stopping;
    for (const image of images) {
      try {
        const { digest } = await backend.prepareImage({ image, policy: 'ALWAYS', say: () => undefined, signal });
        if (this.troubles.delete(image)) logger.info('warm image is here now', { image, digest });
      } catch (error) {
        if (signal.aborted) return;
        if (!this.troubles.has(image)) logger.warn('warm image could not be kept up to date', { image, error });
        this.troubles.set(image, messageOf(error));
      }
    }
  }
}
