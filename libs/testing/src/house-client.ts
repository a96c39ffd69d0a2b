// What a user of a house does, over HTTP: projects, builds, logs, artifacts.
import type { BuildView } from '../../../apps/api/src/builds/build.dto.js';
export type { BuildView };
import { readEvents, type ReceivedEvent, type ReceivedLine } from './read-events.js';
import { until } from './until.js';

export class HouseClient {
  constructor(
    private readonly url: () => string,
    private readonly token: string,
  ) {}

  /** A request as admin: an object goes as JSON, bytes as they are. */
  ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const raw = Buffer.isBuffer(body) || typeof body === 'string';
    return fetch(`${this.url()}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    });
  }

  /** The JSON of an answer that must be a good one. */
  async json<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    const answer = await this.ask(method, path, body, headers);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text.slice(0, 2000)}`);
    return JSON.parse(text) as T;
  }

  /** Makes a project on the fake image; `buildspec` inline without source unless `over` says otherwise. */
  async project(
    name: string,
    over: Record<string, unknown> & { buildspec?: string; image?: string } = {},
  ): Promise<void> {
    const { buildspec, image, ...rest } = over;
    await this.json('POST', '/v1/projects', {
      name,
      source: { type: 'NO_SOURCE', buildspec: buildspec ?? specOf({ build: ['echo hello'] }) },
      environment: { image: image ?? 'fake:1' },
      ...rest,
    });
  }

  start(project: string, overrides: Record<string, unknown> = {}): Promise<BuildView> {
    return this.json('POST', `/v1/projects/${project}/builds`, overrides);
  }

  /** Starts a build and waits for its end. */
  async run(project: string, overrides: Record<string, unknown> = {}): Promise<BuildView> {
    return this.ended((await this.start(project, overrides)).id);
  }

  /** One build of a new project. */
  async build(name: string, over: Parameters<HouseClient['project']>[1] = {}): Promise<BuildView> {
    await this.project(name, over);
    return this.run(name);
  }

  get(id: string): Promise<BuildView> {
    return this.json('GET', `/v1/builds/${id}`);
  }

  stop(id: string): Promise<BuildView> {
    return this.json('POST', `/v1/builds/${id}/stop`);
  }

  /** Waits until the build is as wanted. */
  async until(id: string, what: string, holds: (build: BuildView) => boolean): Promise<BuildView> {
    let build = await this.get(id);
    await until(`${id} ${what}, and it is ${build.currentPhase}`, async () => holds((build = await this.get(id))));
    return build;
  }

  inPhase(id: string, phase: BuildView['currentPhase']): Promise<BuildView> {
    return this.until(id, `is in ${phase}`, (build) => build.currentPhase === phase || build.buildComplete);
  }

  /** Follows the live log to its `end`, and gives the build then. */
  async ended(id: string): Promise<BuildView> {
    for await (const { event } of this.follow(id)) if (event === 'end') return this.get(id);
    throw new Error(`the live log of ${id} ended without its end event`);
  }

  async *follow(id: string, lastEventId?: string): AsyncGenerator<ReceivedEvent> {
    const headers = {
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    };
    yield* readEvents(await this.ask('GET', `/v1/builds/${id}/log`, undefined, headers));
  }

  /** Waits until some line of the build's own output is this text. */
  async says(id: string, text: string): Promise<void> {
    for await (const { event, data } of this.follow(id)) {
      if (data.lines?.some((line) => line.text === text) === true) return;
      if (event === 'end') break;
    }
    throw new Error(`${id} ended without saying ${text}`);
  }

  /** All lines, by pages: of the latest attempt, or of the one that is named. */
  async lines(id: string, attempt?: number): Promise<ReceivedLine[]> {
    const which = attempt === undefined ? '' : `&attempt=${attempt}`;
    const lines: ReceivedLine[] = [];
    for (let cursor: string | null = '0'; cursor !== null;) {
      const page: { lines: ReceivedLine[]; nextCursor: string | null; complete: boolean } = await this.json(
        'GET',
        `/v1/builds/${id}/log?limit=10000&cursor=${cursor}${which}`,
      );
      lines.push(...page.lines);
      cursor = page.lines.length === 0 ? null : page.nextCursor;
    }
    return lines;
  }

  /** Lines that are not Kilnyard's own `[Container] …`. */
  async output(id: string, attempt?: number): Promise<string[]> {
    return (await this.lines(id, attempt)).map(({ text }) => text).filter((text) => !text.startsWith('[Container] '));
  }

  async raw(id: string): Promise<Buffer> {
    return this.bytes(`/v1/builds/${id}/log/raw`);
  }

  async bytes(path: string): Promise<Buffer> {
    const answer = await this.ask('GET', path);
    if (!answer.ok) throw new Error(`GET ${path} answered ${answer.status}: ${(await answer.text()).slice(0, 2000)}`);
    return Buffer.from(await answer.arrayBuffer());
  }
}

/** A buildspec of these phases; a phase is its commands, or its whole section. `rest` is laid beside `phases`. JSON is YAML. */
export function specOf(
  phases: Record<string, string[] | Record<string, unknown>>,
  rest: Record<string, unknown> = {},
): string {
  const sections = Object.entries(phases).map(([name, phase]) => [
    name,
    Array.isArray(phase) ? { commands: phase } : phase,
  ]);
  return JSON.stringify({ version: 0.2, ...rest, phases: Object.fromEntries(sections) as unknown }, null, 1);
}

/** `INSTALL SUCCEEDED`, … of the phases that ran, in order. */
export function phasesOf(build: BuildView): string[] {
  return build.phases.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus ?? '-'}`);
}
