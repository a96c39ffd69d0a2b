// The calls of Kilnyard's public API that scripts/try-repositories.mjs needs, and what it checks about their answers.
import { eventsOf } from '../../dist/apps/standalone/src/server-sent-events.js';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import yauzl from 'yauzl';

const RECONNECTS = 20;
const RECONNECT_MS = 500;

/** `{ url, token }` from KILNYARD_URL and KILNYARD_TOKEN, else from the file that `npm start` writes. */
export function connection(home, env = process.env) {
  if (env.KILNYARD_URL && env.KILNYARD_TOKEN) return { url: env.KILNYARD_URL, token: env.KILNYARD_TOKEN };
  const file = `${home}/.kilnyard/connection.json`;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`no Kilnyard to talk to: set KILNYARD_URL and KILNYARD_TOKEN, or run npm start (${file})`, {
      cause: error,
    });
  }
}

export class Kilnyard {
  constructor({ url, token }) {
    this.url = url;
    this.token = token;
  }

  async fetch(path, options = {}) {
    const headers = { authorization: `Bearer ${this.token}`, ...options.headers };
    return fetch(`${this.url}${path}`, { ...options, headers });
  }

  /** One call; throws the problem's text for an answer that is not 2xx and not among `accept`. */
  async call(method, path, body, accept = []) {
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await this.fetch(path, { method, ...json });
    const text = await response.text();
    if (accept.includes(response.status)) return undefined;
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 2000)}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Creates the project; one of that name goes first, and its cache with it. Its builds stay. */
  async anewProject(project) {
    await this.call('DELETE', `/v1/projects/${project.name}`, undefined, [404]);
    await this.call('POST', '/v1/projects', project);
  }

  /**
   * Follows a build's log to its end. Calls hear(text) for each line.
   * Out: `{ lines, faults, end }`; a fault is a gap or repeat in seq, or a line older than the one before it.
   */
  async followLog(id, hear) {
    const seen = { lines: [], faults: [], end: undefined, lastId: undefined };
    for (let cuts = 0; seen.end === undefined; cuts++) {
      if (cuts > RECONNECTS) throw new Error(`the log of ${id} was cut ${cuts} times`);
      if (cuts > 0) await sleep(RECONNECT_MS);
      const resume = seen.lastId === undefined ? {} : { 'last-event-id': seen.lastId };
      const response = await this.fetch(`/v1/builds/${id}/log`, {
        headers: { accept: 'text/event-stream', ...resume },
      });
      if (!response.ok) throw new Error(`log of ${id}: ${response.status} ${await response.text()}`);
      for await (const event of eventsOf(response.body)) take(seen, event, hear);
    }
    return seen;
  }

  /** The build once it has ended: its status is written a moment after the last line of its log. */
  async ended(id) {
    for (;;) {
      const build = await this.call('GET', `/v1/builds/${id}`);
      if (build.buildStatus !== 'IN_PROGRESS') return build;
      await sleep(100);
    }
  }

  /** The raw log as text. */
  async rawLog(id) {
    const response = await this.fetch(`/v1/builds/${id}/log/raw`);
    if (!response.ok) throw new Error(`raw log of ${id}: ${response.status}`);
    return response.text();
  }

  /**
   * Downloads each artifact of a build as zip and checks it against what the API says of it.
   * Out: `{ bytes, files, faults }` over all artifacts.
   */
  async checkArtifacts(id) {
    const total = { bytes: 0, files: 0, faults: [] };
    const { items } = await this.call('GET', `/v1/builds/${id}/artifacts`);
    for (const artifact of items) {
      const response = await this.fetch(artifact.downloadUrl);
      const body = Buffer.from(await response.arrayBuffer());
      total.bytes += body.length;
      const files = await filesOf(body);
      total.files += files;
      expect(total, `status of ${artifact.name}`, response.status, 200);
      expect(total, `bytes of ${artifact.name}`, body.length, artifact.sizeBytes);
      expect(total, `files of ${artifact.name}`, files, artifact.fileCount);
      expect(total, `sha256 of ${artifact.name}`, createHash('sha256').update(body).digest('hex'), artifact.sha256);
    }
    if (total.files === 0) total.faults.push('no file came out of the build');
    return total;
  }
}

function take(seen, { type, id, data }, hear) {
  if (id !== undefined) seen.lastId = id;
  if (type === 'end') seen.end = JSON.parse(data);
  if (type !== 'lines') return;
  for (const line of JSON.parse(data).lines) {
    const before = seen.lines.at(-1);
    if (before && line.seq !== before.seq + 1) seen.faults.push(`line ${line.seq} came after ${before.seq}`);
    if (before && Date.parse(line.time) < Date.parse(before.time))
      seen.faults.push(`line ${line.seq} (${line.time}) is older than the line before it (${before.time})`);
    seen.lines.push(line);
    hear(line.text);
  }
}

function expect(total, what, got, expected) {
  if (got !== expected) total.faults.push(`${what}: expected ${expected}, got ${got}`);
}

/** How many files a zip holds; reads each to its end, so that a wrong checksum shows. */
function filesOf(zip) {
  return new Promise((resolve, reject) => {
    yauzl.fromBuffer(zip, { lazyEntries: true }, (error, archive) => {
      if (error) return reject(error);
      let files = 0;
      archive.on('error', reject).on('end', () => resolve(files));
      archive.on('entry', (entry) => {
        if (entry.fileName.endsWith('/')) return archive.readEntry();
        files++;
        archive.openReadStream(entry, (failed, stream) => {
          if (failed) return reject(failed);
          stream
            .on('error', reject)
            .on('end', () => archive.readEntry())
            .resume();
        });
      });
      archive.readEntry();
    });
  });
}
