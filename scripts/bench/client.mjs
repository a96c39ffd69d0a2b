// A user of the API over HTTP, with connections kept alive and little work of its own, since it runs on the machine that it measures.
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export class Client {
  #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(url, token) {
    this.url = url;
    this.token = token;
  }

  /** One call. Out: the JSON body (undefined for none). Errors: Error with status and body for an answer that is not 2xx. */
  async json(method, path, body) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const answer = await this.#answer(method, path, headers, text);
    const parts = [];
    for await (const bytes of answer) parts.push(bytes);
    const answered = Buffer.concat(parts).toString();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${answered.slice(0, 2000)}`);
    return answered === '' ? undefined : JSON.parse(answered);
  }

  /** A project of the bench's image without source, its buildspec inline, unless `over` says otherwise. */
  async project(name, commands, over = {}) {
    const { image, source, buildspec: spec, ...rest } = over;
    const buildspec = specOf(commands, spec);
    await this.json('POST', '/v1/projects', {
      name,
      source: source ?? { type: 'NO_SOURCE', buildspec },
      environment: { image },
      ...rest,
    });
  }

  start(project, overrides = {}) {
    return this.json('POST', `/v1/projects/${project}/builds`, overrides);
  }

  get(id) {
    return this.json('GET', `/v1/builds/${id}`);
  }

  /** Asks for a build, ten times a second, until it has ended. Out: the build then. For when no stream should be open. */
  async ended(id) {
    for (;;) {
      const build = await this.get(id);
      if (build.buildStatus !== 'IN_PROGRESS') return build;
      await sleep(100);
    }
  }

  /**
   * Follows a build's live log to its end.
   * In: `onLines` gets the lines of each event, parsed, and the time at which its last byte came (performance.now()).
   * Out: the data of the `end` event. Errors: Error when the stream breaks before it.
   */
  async follow(id, onLines = () => undefined) {
    const answer = await this.#answer('GET', `/v1/builds/${id}/log`, { accept: 'text/event-stream' });
    if (answer.statusCode !== 200) throw new Error(`the log of ${id}: ${answer.statusCode}`);
    let rest = '';
    answer.setEncoding('utf8');
    for await (const text of answer) {
      const at = performance.now();
      rest += text;
      for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
        const block = rest.slice(0, end);
        rest = rest.slice(end + 2);
        const { event, data } = fieldsOf(block);
        if (event === 'lines') onLines(JSON.parse(data).lines, at);
        if (event === 'error') throw new Error(`the log of ${id}: ${data}`);
        if (event === 'end') {
          answer.destroy();
          return JSON.parse(data);
        }
      }
    }
    throw new Error(`the log of ${id} ended without its end event`);
  }

  /**
   * Follows a build's live log without looking at it; counts its bytes. Out: what ends it, and its count.
   * For readers that are to load the API and not the machine.
   */
  async listen(id) {
    const answer = await this.#answer('GET', `/v1/builds/${id}/log`, { accept: 'text/event-stream' });
    const heard = { bytes: 0, ended: false, stop: () => answer.destroy() };
    answer.on('data', (bytes) => (heard.bytes += bytes.length));
    answer.on('end', () => (heard.ended = true));
    answer.on('error', () => undefined); // it was stopped
    return heard;
  }

  close() {
    this.#agent.destroy();
  }

  #answer(method, path, headers, text) {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.url);
      // A stream gets a connection of its own: the API closes it behind the stream.
      const agent = headers.accept === 'text/event-stream' ? false : this.#agent;
      const options = {
        hostname,
        port,
        method,
        path,
        agent,
        headers: { ...headers, authorization: `Bearer ${this.token}` },
      };
      const request = httpRequest(options, resolve);
      request.setNoDelay(true);
      request.on('error', reject);
      request.end(text);
    });
  }
}

/** A buildspec whose build phase has these commands; `rest` is laid beside `phases`. JSON is YAML. */
export function specOf(commands, rest = {}) {
  const { phases, ...others } = rest;
  return JSON.stringify({ version: 0.2, ...others, phases: { ...phases, build: { commands } } });
}

function fieldsOf(block) {
  const fields = {};
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trim();
  }
  return fields;
}

/** The first line of the build's own output, as an `onLines` for follow. */
export function firstOutputLine() {
  const seen = {
    at: null,
    onLines: (lines, at) => {
      if (seen.at === null && lines.some(({ stream }) => stream !== 'system')) seen.at = at;
    },
  };
  return seen;
}
