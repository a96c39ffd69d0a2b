// Postgres' notifications to those in this process who wait for a build to change. A notification only wakes; truth is in the rows.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Fault, messageOf } from '#core/errors.js';
import { asBuildId, type BuildId } from '#core/ids.js';

/** Payload: `<uuid> <kind>`. */
export const BUILD_CHANNEL = 'kilnyard_build';

/** Payload: what a build that could start asks for (requiresOf of libs/core). */
export const WAKE_CHANNEL = 'kilnyard_wake';

export interface BuildChange {
  buildId: BuildId;
  /**
   * `status`: any change of the row; look it up. `log`: lines or the seal. `stop`: somebody wants it stopped.
   * `released`: its worker has let it go for another of the same host. `missed`: notifications may have been lost; look it up.
   */
  kind: 'status' | 'log' | 'stop' | 'released' | 'missed';
}

/** How long `start` tries before it gives up. */
const START_WAIT_MS = 30_000;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 5_000;
/** How often a quiet connection is asked whether it is still there, and how long the answer may take. */
const PROBE_MS = 15_000;
const PROBE_TIMEOUT_MS = 5_000;
const GOODBYE_MS = 1_000;

const PAYLOAD = /^([0-9a-f-]{36}) (status|log|stop|released)$/;

/**
 * One LISTEN connection. Modes: connected, or reconnecting (with backoff, until closed).
 * After a reconnect every subscriber hears one `missed` change of its build, since a notification may have been missed meanwhile.
 */
export class Listener {
  readonly #hearers = new Map<BuildId, Set<(change: BuildChange) => void>>();
  readonly #releaseHearers = new Set<(buildId: BuildId) => void>();
  readonly #wakers = new Set<(requires: string) => void>();
  readonly #closing = new AbortController();
  #client: pg.Client | undefined;
  #probe: NodeJS.Timeout | undefined;
  #reconnecting: Promise<void> = Promise.resolve();

  private constructor(private readonly databaseUrl: string) {}

  /** Resolves once it listens. Errors: Fault DATABASE_UNAVAILABLE after START_WAIT_MS. */
  static async start(databaseUrl: string): Promise<Listener> {
    const listener = new Listener(databaseUrl);
    const giveUpAt = performance.now() + START_WAIT_MS;
    try {
      await listener.connectWithBackoff((error) => {
        if (performance.now() < giveUpAt) return;
        throw new Fault('DATABASE_UNAVAILABLE', `cannot listen to the database: ${messageOf(error)}`, {
          cause: error,
          retryable: true,
        });
      });
    } catch (error) {
      await listener.close();
      throw error;
    }
    return listener;
  }

  get connected(): boolean {
    return this.#client !== undefined;
  }

  /** Calls `hear` when a build that asks for `requires` could start on whom it fits. Out: what ends that. `hear` must not throw. */
  onWake(hear: (requires: string) => void): () => void {
    this.#wakers.add(hear);
    return () => void this.#wakers.delete(hear);
  }

  /** Calls `hear` at each change of the build. Out: what ends that. `hear` must not throw. */
  onChange(buildId: BuildId, hear: (change: BuildChange) => void): () => void {
    const hearers = this.#hearers.get(buildId) ?? new Set();
    this.#hearers.set(buildId, hearers);
    const own = (change: BuildChange): void => {
      hear(change);
    };
    hearers.add(own);
    return () => {
      hearers.delete(own);
      if (hearers.size === 0 && this.#hearers.get(buildId) === hearers) this.#hearers.delete(buildId);
    };
  }

  /** Calls `hear` whenever some build is let go for another worker. Out: what ends that. `hear` must not throw. */
  onReleased(hear: (buildId: BuildId) => void): () => void {
    this.#releaseHearers.add(hear);
    return () => {
      this.#releaseHearers.delete(hear);
    };
  }

  /**
   * Waits for the build's next change. Subscribe before you look, or a change in between is missed until the timeout.
   * Out: true when woken, false after `timeoutMs`. Errors: the signal's reason.
   */
  waitForChange(buildId: BuildId, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        unsubscribe();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const onAbort = (): void => {
        finish(() => {
          reject(signal?.reason as Error);
        });
      };
      const timer = setTimeout(() => {
        finish(() => {
          resolve(false);
        });
      }, timeoutMs);
      const unsubscribe = this.onChange(buildId, () => {
        finish(() => {
          resolve(true);
        });
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Ends the connection; waiters run into their timeouts. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reconnecting;
    await this.drop();
  }

  private async connectWithBackoff(onFailure: (error: unknown) => void): Promise<void> {
    for (
      let pauseMs = FIRST_BACKOFF_MS;
      !this.#closing.signal.aborted;
      pauseMs = Math.min(pauseMs * 2, LAST_BACKOFF_MS)
    ) {
      try {
        await this.connect();
        return;
      } catch (error) {
        onFailure(error);
      }
      // Rejects only when we are closing, which the loop's condition sees.
      await sleep(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.databaseUrl,
      keepAlive: true,
      connectionTimeoutMillis: PROBE_TIMEOUT_MS,
      application_name: 'kilnyard-listen',
    });
    // Both events may come, also while connecting; `lost` acts only on the client in use.
    client.on('error', () => {
      this.lost(client);
    });
    client.on('end', () => {
      this.lost(client);
    });
    client.on('notification', (message) => {
      if (message.channel === WAKE_CHANNEL) for (const hear of [...this.#wakers]) hear(message.payload ?? '');
      else this.tell(message.payload ?? '');
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${BUILD_CHANNEL}; LISTEN ${WAKE_CHANNEL}`);
    } catch (error) {
      await client.end().catch(() => undefined); // it is broken already; the first error is thrown
      throw error;
    }
    this.#client = client;
    this.#probe = setInterval(() => {
      this.probe(client);
    }, PROBE_MS);
    this.#probe.unref();
  }

  private tell(payload: string): void {
    const [, id, kind] = PAYLOAD.exec(payload) ?? [];
    if (id === undefined) return; // somebody else's words on our channel
    this.wake({ buildId: asBuildId(id), kind: kind as BuildChange['kind'] });
    if (kind === 'released') for (const hear of [...this.#releaseHearers]) hear(asBuildId(id));
  }

  private wake(change: BuildChange): void {
    for (const hear of [...(this.#hearers.get(change.buildId) ?? [])]) hear(change);
  }

  /** A connection that died without a word (a firewall, a pulled cable) shows only when it is asked. */
  private probe(client: pg.Client): void {
    const late = setTimeout(() => {
      this.lost(client);
    }, PROBE_TIMEOUT_MS);
    late.unref();
    client.query('SELECT 1').then(
      () => {
        clearTimeout(late);
      },
      () => {
        clearTimeout(late);
        this.lost(client);
      },
    );
  }

  private lost(client: pg.Client): void {
    if (this.#client !== client || this.#closing.signal.aborted) return;
    this.#reconnecting = this.reconnect();
  }

  private async reconnect(): Promise<void> {
    void this.drop();
    await this.connectWithBackoff(() => undefined);
    if (!this.connected) return;
    for (const buildId of [...this.#hearers.keys()]) this.wake({ buildId, kind: 'missed' });
  }

  private async drop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    clearInterval(this.#probe);
    // It may be half dead: ending it is all that is left to do, whatever comes of it, and it may not even answer to that.
    await Promise.race([client?.end().catch(() => undefined), sleep(GOODBYE_MS, undefined, { ref: false })]);
  }
}
