// Builds that want the same image at once wait for one pull. It lives as long as somebody waits for it.

interface Shared {
  says: Set<(text: string) => void>;
  abort: AbortController;
  result: Promise<void>;
}

export class SharedPulls {
  private readonly running = new Map<string, Shared>();

  /**
   * Joins the pull under `key`, or begins it with `pull`, which gets a voice to all who wait and a signal that aborts when the
   * last of them has left. Errors: the pull's own, to each; the caller's signal's reason.
   */
  async join(
    key: string,
    waiter: { say: (text: string) => void; signal: AbortSignal },
    pull: (say: (text: string) => void, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const { say, signal } = waiter;
    signal.throwIfAborted();
    let shared = this.running.get(key);
    if (shared === undefined) shared = this.begin(key, pull);
    else say('Another build pulls this image already; waiting for it');
    // one entry a waiter, also where two have one voice
    const voice = (text: string): void => say(text);
    shared.says.add(voice);
    let leave: () => void = () => undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
    });
    try {
      await Promise.race([shared.result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      shared.says.delete(voice);
      if (shared.says.size === 0) {
        if (this.running.get(key) === shared) this.running.delete(key);
        shared.abort.abort();
      }
    }
  }

  private begin(key: string, pull: Parameters<SharedPulls['join']>[2]): Shared {
    const says = new Set<(text: string) => void>();
    const abort = new AbortController();
    const result = Promise.resolve().then(() => pull((text) => says.forEach((say) => say(text)), abort.signal));
    const shared = { says, abort, result };
    this.running.set(key, shared);
    const gone = (): void => {
      if (this.running.get(key) === shared) this.running.delete(key);
    };
    result.then(gone, gone);
    return shared;
  }
}
