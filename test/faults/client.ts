// A patient user of the public API: asks again while the service is away, and notes every answer that should not have been given.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import type { Complain } from './stage/kilnyard.js';

/** Longest wait for the service to come back. */
const PATIENCE_MS = 120_000;
const PAUSE_MS = 100;
const ANSWER_MS = 30_000;

export interface Answer {
  status: number;
  body: Buffer;
}

export class Client {
  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly complain: Complain,
  ) {}

  /** One request, as it is. Errors: no answer. */
  fetch(method: string, path: string, options: Partial<RequestInit> = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, ...options.headers };
    return fetch(`${this.url}${path}`, { method, ...options, headers });
  }

  /**
   * Asks until there is an answer that is none of "try again" (no connection, 503, and 409 for a key whose first request is at
   * work). A 503 without Retry-After is complained of. Errors: no such answer within PATIENCE_MS.
   */
  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const giveUpAt = Date.now() + PATIENCE_MS;
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    for (let last = ''; ; await sleep(PAUSE_MS)) {
      if (Date.now() > giveUpAt) throw new Error(`${method} ${path}: no answer in ${PATIENCE_MS / 1000} s (${last})`);
      try {
        const signal = AbortSignal.timeout(ANSWER_MS);
        const answer = await this.fetch(method, path, { ...sent, headers: { ...type, ...headers }, signal });
        const bytes = Buffer.from(await answer.arrayBuffer());
        last = `${answer.status} ${bytes.toString().slice(0, 300)}`;
        this.judge(`${method} ${path}`, answer, bytes);
        if (answer.status === 503 || (answer.status === 409 && last.includes('IDEMPOTENCY_IN_PROGRESS'))) continue;
        return { status: answer.status, body: bytes };
      } catch (error) {
        last = String(error); // the connection was refused or broke: the service is away
      }
    }
  }

  /** The JSON of an answer that must be a good one. */
  async json<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    const { status, body: bytes } = await this.ask(method, path, body, headers);
    if (status >= 400) throw new Error(`${method} ${path} answered ${status}: ${bytes.toString().slice(0, 1000)}`);
    return JSON.parse(bytes.toString()) as T;
  }

  build(id: string): Promise<BuildView> {
    return this.json('GET', `/v1/builds/${id}`);
  }

  /** What the service may never say, whatever was taken from it. */
  private judge(what: string, answer: Response, body: Buffer): void {
    const { status } = answer;
    if (status === 503 && answer.headers.get('retry-after') === null)
      this.complain(`${what} answered 503 without Retry-After`);
    if (status >= 500 && status !== 503) this.complain(`${what} answered ${status}: ${body.toString().slice(0, 300)}`);
  }
}
