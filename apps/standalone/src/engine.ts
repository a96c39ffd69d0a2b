// The Docker Engine: the one that DOCKER_HOST names, else the system's, else one of our own that we start and end.
// Our own one is shared by all Kilnyard folders of the machine (two engines would fight over one bridge): who uses it
// leaves a file with their pid, and the last one out ends it.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { readIfThere } from './data-folder.js';
import { install } from './debian.js';
import { KeptProcess } from './kept-process.js';
import { findProgram, run, type Machine } from './machine.js';
import { ProcessTable, isAlive, startTimeOf } from './process-table.js';
import { SetupError, type Say } from './say.js';

export interface Engine {
  docker: Docker;
  /** Path of its socket; undefined when DOCKER_HOST names a remote one. */
  socket: string | undefined;
  version: string;
  /** Where it came from, for a line on the terminal. */
  origin: 'named' | 'system' | 'own';
  /** Lets go of it; ends it when it is our own and nobody else uses it. */
  release(): Promise<void>;
}

/** Where our own engine keeps its things. Its socket's path must stay under 108 bytes, so it does not lie in the data folder. */
export interface EnginePlace {
  runFolder: string;
  dataRoot: string;
  /** Further arguments of dockerd. */
  flags?: readonly string[];
}
export const OWN_ENGINE: EnginePlace = { runFolder: '/run/kilnyard', dataRoot: '/var/lib/kilnyard/docker' };
const SYSTEM_SOCKET = '/var/run/docker.sock';
const READY_MS = 60_000;
const STOP_MS = 60_000;

/**
 * Finds or starts an engine; resolves when it answers.
 * In: env is asked for KILNYARD_DOCKER_SOCKET and DOCKER_HOST, which are used as given and never replaced.
 * Errors: SetupError saying which engine did not answer, or how to get one.
 */
export async function openEngine(request: {
  env: NodeJS.ProcessEnv;
  logFile: string;
  machine: Machine;
  say: Say;
  place?: EnginePlace;
}): Promise<Engine> {
  const named = namedEngine(request.env);
  if (named) return openNamed(named);
  const system = await answering(SYSTEM_SOCKET);
  if (typeof system === 'object') return { ...system, origin: 'system', release: async () => undefined };
  if (system === 'EACCES') {
    throw new SetupError(
      `A Docker Engine listens on ${SYSTEM_SOCKET}, but this user may not speak to it.\n` +
        `Add the user to its group (sudo usermod -aG docker $USER, then log in again), or set DOCKER_HOST.`,
    );
  }
  return openOwn(request.place ?? OWN_ENGINE, request);
}

function namedEngine(env: NodeJS.ProcessEnv): { name: string; address: string } | undefined {
  if (env.KILNYARD_DOCKER_SOCKET)
    return { name: 'KILNYARD_DOCKER_SOCKET', address: `unix://${env.KILNYARD_DOCKER_SOCKET}` };
  return env.DOCKER_HOST ? { name: 'DOCKER_HOST', address: env.DOCKER_HOST } : undefined;
}

async function openNamed(named: { name: string; address: string }): Promise<Engine> {
  const socket = /^unix:\/\/(.+)$/.exec(named.address)?.[1];
  const docker = socket === undefined ? new Docker() : new Docker({ socketPath: socket });
  try {
    const version = await versionOf(docker);
    return { docker, socket, version, origin: 'named', release: async () => undefined };
  } catch (error) {
    throw new SetupError(
      `No Docker Engine answers at ${named.name}=${named.address}: ${(error as Error).message}\n` +
        `Start it, or unset ${named.name} so that one is found or started here.`,
      { cause: error },
    );
  }
}

type Answer = Pick<Engine, 'docker' | 'socket' | 'version'>;

async function answering(socket: string): Promise<Answer | 'EACCES' | 'silent'> {
  const docker = new Docker({ socketPath: socket });
  try {
    return { docker, socket, version: await versionOf(docker) };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'EACCES' : 'silent';
  }
}

async function versionOf(docker: Docker): Promise<string> {
  const late = sleep(5_000, undefined, { ref: false }).then(() => {
    throw new Error('no answer within 5 s');
  });
  return (await Promise.race([docker.version(), late])).Version;
}

/** Our own engine, shared by the Kilnyard folders of the machine. Errors: SetupError when it cannot be started. */
export async function openOwn(
  place: EnginePlace,
  request: { logFile: string; machine: Machine; say: Say },
): Promise<Engine> {
  const { machine, say } = request;
  const why = `no Docker Engine answers (asked ${SYSTEM_SOCKET}; DOCKER_HOST is not set)`;
  if (!machine.root) {
    throw new SetupError(
      `Builds need a Docker Engine: ${why}, and only root can start one.\n` +
        `Install and start Docker (https://docs.docker.com/engine/install/), or set DOCKER_HOST, or run this as root.`,
    );
  }
  if (findProgram('dockerd') === undefined) {
    await install(machine, ['docker.io', 'iptables', 'cgroupfs-mount'], `dockerd is missing: ${why}`, say);
    const started = await waitForSystem(); // systemd starts what apt installs
    if (started) return { ...started, origin: 'system', release: async () => undefined };
  }
  const users = join(place.runFolder, 'users');
  await mkdir(users, { recursive: true, mode: 0o700 });
  const mine = join(users, String(process.pid));
  await writeFile(mine, `${startTimeOf(process.pid) ?? ''}\n`);
  const socket = join(place.runFolder, 'docker.sock');
  const running = await answering(socket);
  if (typeof running === 'object') return { ...running, origin: 'own', release: () => leaveOwn(place, mine) };
  try {
    const { answer, kept } = await startOwn(place, socket, request);
    return { ...answer, origin: 'own', release: () => leaveOwn(place, mine, kept) };
  } catch (error) {
    await rm(mine, { force: true });
    throw error;
  }
}

async function waitForSystem(): Promise<Answer | undefined> {
  const systemd = await run('test', ['-d', '/run/systemd/system']);
  for (const deadline = Date.now() + (systemd.exitCode === 0 ? 20_000 : 0); Date.now() < deadline; await sleep(200)) {
    const answer = await answering(SYSTEM_SOCKET);
    if (typeof answer === 'object') return answer;
  }
  return undefined;
}

/** dockerd in a process group of its own, started again when it dies; it outlives us only while another folder uses it. */
async function startOwn(
  place: EnginePlace,
  socket: string,
  { logFile, say }: { logFile: string; say: Say },
): Promise<{ answer: Answer; kept: KeptProcess }> {
  say('starting a Docker Engine');
  await mountCgroups();
  await mkdir(place.dataRoot, { recursive: true, mode: 0o710 });
  const settings = join(place.runFolder, 'daemon.json');
  await writeFile(settings, '{}\n'); // the system's own settings name its own sockets and folders
  const command = findProgram('dockerd') ?? 'dockerd';
  const args = [
    ...['--host', `unix://${socket}`, '--data-root', place.dataRoot, '--exec-root', join(place.runFolder, 'exec')],
    ...['--pidfile', join(place.runFolder, 'docker.pid'), '--config-file', settings, '--group', 'root'],
    ...['--containerd-namespace', 'kilnyard', '--containerd-plugins-namespace', 'kilnyard-plugins'],
    ...(place.flags ?? []),
  ];
  const table = new ProcessTable(join(place.runFolder, 'processes.json'));
  const kept = await KeptProcess.start(
    { name: 'dockerd', command, args, env: process.env, cwd: '/', logFile, graceMs: STOP_MS },
    table,
    say,
  );
  for (const deadline = Date.now() + READY_MS; kept.running && Date.now() < deadline; await sleep(100)) {
    const answer = await answering(socket);
    if (typeof answer === 'object') return { answer, kept };
  }
  await kept.stop();
  throw new SetupError(
    `The Docker Engine that was started here does not answer. Its last lines (${logFile}):\n${await kept.lastLines()}\n` +
      `Start Docker yourself, or set DOCKER_HOST to an engine elsewhere.`,
  );
}

async function mountCgroups(): Promise<void> {
  const mounted = await run('sh', ['-c', 'grep -qE " cgroup2? " /proc/mounts']);
  if (mounted.exitCode !== 0 && findProgram('cgroupfs-mount')) await run('cgroupfs-mount', [], { timeoutMs: 10_000 });
}

async function leaveOwn(place: EnginePlace, mine: string, kept?: KeptProcess): Promise<void> {
  await rm(mine, { force: true });
  const inUse = await hasUsers(join(place.runFolder, 'users'));
  if (kept) return inUse ? kept.letLive() : kept.stop();
  if (!inUse) await endByPidFile(join(place.runFolder, 'docker.pid'));
}

/** Ends an engine that another Kilnyard started and left to us. */
async function endByPidFile(file: string): Promise<void> {
  const pid = Number(await readIfThere(file));
  const startTime = Number.isInteger(pid) && pid > 1 ? startTimeOf(pid) : undefined;
  if (startTime === undefined) return;
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + STOP_MS;
  while (isAlive({ pid, startTime }) && Date.now() < deadline) await sleep(50);
  if (isAlive({ pid, startTime })) process.kill(pid, 'SIGKILL');
}

async function hasUsers(folder: string): Promise<boolean> {
  for (const name of await readdir(folder)) {
    const startTime = ((await readIfThere(join(folder, name))) ?? '').trim();
    if (isAlive({ pid: Number(name), startTime })) return true;
    await rm(join(folder, name), { force: true });
  }
  return false;
}
