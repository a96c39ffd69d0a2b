// A real image registry for a test: Debian's docker-registry on 127.0.0.1 (which an engine reaches without TLS), with one user.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const BUILDER = { username: 'builder', password: 's3cret-pull' };
/** As `htpasswd -B` writes it. */
const HTPASSWD = 'builder:$2y$05$bEwaWZR5jYdd3WMtdV9xUO8yT14uXMM.IkrU1lRXajttvz.7kGIni\n';
const READY_MS = 20_000;

export interface TestRegistry {
  /** `127.0.0.1:port`. */
  address: string;
  port: number;
  stop(): Promise<void>;
}

/** Starts one on a free port, or on `port`. `open`: anybody may pull and push. Errors: without the program it says how to get it. */
export async function startRegistry(options: { open?: boolean; port?: number } = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'kilnyard-registry-'));
  const port = options.port ?? (await freePort());
  const auth = options.open === true ? '' : `auth: {htpasswd: {realm: test, path: ${join(folder, 'htpasswd')}}}`;
  await writeFile(join(folder, 'htpasswd'), HTPASSWD);
  await writeFile(
    join(folder, 'config.yml'),
    [
      'version: 0.1',
      'log: {level: warn, accesslog: {disabled: true}}',
      `storage: {filesystem: {rootdirectory: ${join(folder, 'data')}}, delete: {enabled: true}}`,
      `http: {addr: "127.0.0.1:${port}", secret: for-tests-alone}`,
      auth,
    ].join('\n'),
  );
  const program = process.env['KILNYARD_TEST_REGISTRY'] ?? 'docker-registry';
  const child = spawn(program, ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)));
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`${error.message} (apt-get install docker-registry)`));
    child.once('exit', (code) => resolve(`it ended with ${code}: ${said}`));
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const address = `127.0.0.1:${port}`;
  const why = await Promise.race([ready(address), ended]);
  if (why !== null) {
    await stop();
    throw new Error(`the test registry does not answer: ${why}`);
  }
  return { address, port, stop };
}

async function ready(address: string): Promise<string | null> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(30)) {
    const status = await fetch(`http://${address}/v2/`).then(
      (response) => response.status,
      () => 0, // not up yet
    );
    if (status === 200 || status === 401) return null;
  }
  return `nothing within ${READY_MS} ms`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
