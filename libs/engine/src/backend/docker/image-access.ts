// Asks a registry, through the engine, whether somebody may pull an image and what a tag means now (a HEAD of its manifest).
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { wordsOf } from './engine-errors.js';
import { PULL_LIMITS, type RegistryAuth } from './pull.js';
import { passes, verdictOf } from './registry-answer.js';

/** How long a yes holds. A no is never kept. */
export const ACCESS_CACHE_MS = 60_000;
/** One question to a registry. */
const ASK_TIMEOUT_MS = 30_000;
const FIRST_WAIT_MS = 1_000;
/** Answers kept at most; the oldest goes. */
const MAX_ANSWERS = 10_000;

/** Who waits for the answer. */
export interface Ask {
  say: (text: string) => void;
  signal: AbortSignal;
}

export class ImageAccess {
  private readonly granted = new Map<string, number>();
  private readonly cacheMs: number;
  private readonly attempts: number;

  constructor(
    private readonly docker: Docker,
    options: { cacheMs?: number | undefined; attempts?: number | undefined } = {},
  ) {
    this.cacheMs = options.cacheMs ?? ACCESS_CACHE_MS;
    this.attempts = options.attempts ?? PULL_LIMITS.attempts;
  }

  /**
   * The digest that `image` (with tag or digest) has in its registry, for one who holds `auth`. Always asked.
   * Errors: what the engine says, for `verdictOf`; the signal's reason.
   */
  async resolve(image: string, auth: RegistryAuth | undefined, { say, signal }: Ask): Promise<string> {
    for (let attempt = 1, wait = FIRST_WAIT_MS; ; attempt += 1, wait *= 2) {
      try {
        return await this.ask(image, auth, signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!passes(verdictOf(error)) || attempt >= this.attempts) throw error;
        say(
          `${image}: ${wordsOf(error)}; asking its registry again in ${wait / 1000} s (${attempt + 1} of ${this.attempts})`,
        );
      }
      await sleep(wait, undefined, { signal }).catch(() => {
        throw signal.reason;
      });
    }
  }

  /** Whether `image` (by digest) may be pulled with `auth`: resolves when it may. A yes is remembered for a little. Errors: as resolve. */
  async check(image: string, auth: RegistryAuth | undefined, ask: Ask): Promise<void> {
    const key = accessKey(image, auth);
    const until = this.granted.get(key);
    if (until !== undefined && until > performance.now()) return;
    this.granted.delete(key);
    await this.resolve(image, auth, ask);
    this.grant(image, auth);
  }

  /** The registry has just given `image` (by digest) to one who holds `auth`. */
  grant(image: string, auth: RegistryAuth | undefined): void {
    if (this.granted.size >= MAX_ANSWERS) this.granted.delete(this.granted.keys().next().value!);
    this.granted.set(accessKey(image, auth), performance.now() + this.cacheMs);
  }

  private async ask(image: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<string> {
    const late = AbortSignal.timeout(ASK_TIMEOUT_MS);
    try {
      return await this.distribution(image, auth, AbortSignal.any([signal, late]));
    } catch (error) {
      if (late.aborted && !signal.aborted)
        throw new Error(`the registry did not answer within ${ASK_TIMEOUT_MS / 1000} s`, { cause: error });
      throw error;
    }
  }

  /** dockerode's own call of this route takes no signal. */
  private distribution(image: string, auth: RegistryAuth | undefined, abortSignal: AbortSignal): Promise<string> {
    const options = {
      path: `/distribution/${image}/json`,
      method: 'GET',
      statusCodes: { 200: true, 401: 'denied', 403: 'denied', 404: 'not found', 500: 'server error' },
      authconfig: auth ?? {},
      abortSignal,
    };
    return new Promise((resolve, reject) => {
      this.docker.modem.dial(options, (error: unknown, answer: unknown) => {
        const digest = (answer as { Descriptor?: { digest?: unknown } } | null)?.Descriptor?.digest;
        if (typeof digest === 'string') resolve(digest);
        else reject(error instanceof Error ? error : new Error('the engine did not tell the digest'));
      });
    });
  }
}

/** Who, and which image: no password is kept in memory for it. */
export function accessKey(image: string, auth: RegistryAuth | undefined): string {
  const who = auth === undefined ? '' : JSON.stringify([auth.username, auth.password]);
  return createHash('sha256').update(`${image}\0${who}`).digest('base64');
}
