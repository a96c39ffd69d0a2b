// Room: forge. A small Git host: the bare repositories under a folder over smart HTTP, read only, through `git http-backend`.
// `npm start` serves the example project with it, and tests fetch from it.
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, timingSafeEqual } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface ServeGitOptions {
  /** Folder of the repositories; `<root>/a/b.git` is served as `/a/b.git`. */
  root: string;
  /** 127.0.0.1 unless told otherwise. */
  host?: string;
  /** 0 or absent: any free one. */
  port?: number;
  /** Basic credential that every request must bring. */
  auth?: { username: string; password: string };
  /** Called once a request is answered. */
  onRequest?: (served: ServedRequest) => void;
}

export interface ServedRequest {
  method: string;
  /** Without the query. */
  path: string;
  status: number;
  /** Of the answer's body. */
  responseBytes: number;
}

export interface GitServer {
  /** `http://host:port`, no slash at the end. */
  url: string;
  port: number;
  /** Ends the connections and the git processes that still run. */
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 65_536;
const SERVICE = /^\/(.+)\/(info\/refs|git-upload-pack)$/;

/** Starts serving. Errors: the listener's own (EADDRINUSE). */
export async function serveGit(options: ServeGitOptions): Promise<GitServer> {
  const host = options.host ?? '127.0.0.1';
  const root = await realpath(options.root);
  const running = new Set<ChildProcess>();
  const server = createServer((request, response) => {
    answer(request, response, { ...options, root }, running).catch(() => {
      // The other end went away, or git died in the middle: a cut connection tells the client so.
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const child of running) child.kill('SIGKILL');
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, port, close };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ServeGitOptions,
  running: Set<ChildProcess>,
): Promise<void> {
  const { pathname, search } = new URL(request.url ?? '/', 'http://host');
  let responseBytes = 0;
  const count = (bytes: number): void => void (responseBytes += bytes);
  response.once('close', () =>
    options.onRequest?.({ method: request.method ?? '', path: pathname, status: response.statusCode, responseBytes }),
  );
  if (!isAuthorized(request, options.auth)) {
    return refuse(response, 401, 'a credential is required', { 'www-authenticate': 'Basic realm="git"' });
  }
  const asked = await serviceOf(request.method ?? '', pathname, search, options.root);
  if (asked === null) return refuse(response, 404, 'no such repository, or no reading of it');
  const child = spawn('git', ['http-backend'], {
    env: cgiEnv(request, asked.path, search, options.root),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  response.once('close', () => child.kill('SIGKILL'));
  // git may end without reading all of the request; what matters is its answer.
  pipeline(request, child.stdin!).catch(() => undefined);
  await relay(child, response, count);
}

/** Only what reading needs, and only for a folder that really lies under the root. */
async function serviceOf(
  method: string,
  pathname: string,
  search: string,
  root: string,
): Promise<{ path: string } | null> {
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return null;
  }
  const match = SERVICE.exec(path);
  if (!match) return null;
  const [repository, service] = [match[1]!, match[2]!];
  if (
    repository.includes('\0') ||
    repository.split('/').some((part) => part === '' || part.startsWith('.') || part.startsWith('-'))
  )
    return null;
  const fits = service === 'info/refs' ? method === 'GET' && search === '?service=git-upload-pack' : method === 'POST';
  if (!fits) return null;
  const folder = await realpath(join(root, repository)).catch(() => null);
  if (folder === null || !folder.startsWith(root + sep) || !(await stat(folder)).isDirectory()) return null;
  return { path };
}

function cgiEnv(request: IncomingMessage, path: string, search: string, root: string): Record<string, string> {
  const { headers } = request;
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_HTTP_EXPORT_ALL: '1',
    GIT_PROJECT_ROOT: root,
    PATH_INFO: path,
    QUERY_STRING: search.slice(1),
    REQUEST_METHOD: request.method ?? 'GET',
    REMOTE_ADDR: request.socket.remoteAddress ?? '',
    CONTENT_TYPE: headers['content-type'] ?? '',
  };
  // Absent (a chunked request): git reads to the end of its input.
  if (headers['content-length'] !== undefined) env['CONTENT_LENGTH'] = headers['content-length'];
  if (headers['content-encoding'] !== undefined) env['HTTP_CONTENT_ENCODING'] = headers['content-encoding'];
  const protocol = headers['git-protocol'];
  if (typeof protocol === 'string' && /^[A-Za-z0-9=:.-]{1,256}$/.test(protocol)) env['GIT_PROTOCOL'] = protocol;
  const config = {
    'http.receivepack': 'false',
    'http.getanyfile': 'false',
    'safe.directory': '*',
    'core.hooksPath': '/dev/null',
  };
  const entries = Object.entries(config);
  env['GIT_CONFIG_COUNT'] = String(entries.length);
  entries.forEach(([key, value], index) => {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  });
  return env;
}

/** Turns git's CGI answer (header lines, empty line, body) into HTTP, as it comes. */
async function relay(child: ChildProcess, response: ServerResponse, count: (bytes: number) => void): Promise<void> {
  let head: Buffer | null = Buffer.alloc(0);
  async function* body(): AsyncGenerator<Buffer> {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      let rest = chunk;
      if (head !== null) {
        head = Buffer.concat([head, chunk]);
        const end = /\r?\n\r?\n/.exec(head.toString('latin1'));
        if (!end) {
          if (head.length > MAX_HEADER_BYTES)
            throw new Error(`git http-backend sent over ${MAX_HEADER_BYTES} bytes of headers`);
          continue;
        }
        writeHead(response, head.toString('latin1', 0, end.index));
        rest = head.subarray(end.index + end[0].length);
        head = null;
      }
      count(rest.length);
      if (rest.length > 0) yield rest;
    }
    if (head !== null) throw new Error('git http-backend ended without an answer');
  }
  await pipeline(body(), response);
}

function writeHead(response: ServerResponse, head: string): void {
  let status = 200;
  for (const line of head.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
    else if (colon > 0) response.setHeader(name, value);
  }
  response.writeHead(status);
}

function isAuthorized(request: IncomingMessage, auth: ServeGitOptions['auth']): boolean {
  if (auth === undefined) return true;
  const expected = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
  const [a, b] = [expected, request.headers.authorization ?? ''].map((text) =>
    createHash('sha256').update(text).digest(),
  );
  return timingSafeEqual(a!, b!);
}

function refuse(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain', ...headers });
  response.end(`${text}\n`);
}
