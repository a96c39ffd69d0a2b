// Makes the base image on this machine, without an image registry: debootstrap's minimal system from the machine's own
// package sources, a few tools, this machine's Node with npm, and the certificates that this machine trusts.
import { spawn } from 'node:child_process';
import { cp, mkdtemp, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type Docker from 'dockerode';
import { aptSources, install, type AptSource } from './debian.js';
import { findProgram, run, type Machine } from './machine.js';
import { SetupError, type Say } from './say.js';

/** Beside debootstrap's minimal set. */
const PACKAGES = [
  'bash',
  'ca-certificates',
  'curl',
  'git',
  'libstdc++6',
  'make',
  'openssh-client',
  'procps',
  'unzip',
  'xz-utils',
];
const DEBOOTSTRAP_MS = 20 * 60_000;
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Makes the image and loads it into the engine under its name; takes about a minute.
 * Errors: SetupError when this machine is not a Debian or Ubuntu with package sources, or a step fails.
 */
export async function makeStandardImage(request: {
  docker: Docker;
  image: { repo: string; tag: string };
  machine: Machine;
  say: Say;
  signal: AbortSignal;
}): Promise<void> {
  const { docker, image, machine, say, signal } = request;
  const sources = await checkedSources(machine, `${image.repo}:${image.tag}`);
  if (findProgram('debootstrap') === undefined) await install(machine, ['debootstrap'], 'debootstrap is missing', say);
  // Not under the data folder: debootstrap refuses file systems mounted noexec or nodev, and /tmp may be such a one.
  const folder = await mkdtemp(join(await firstFolder(['/var/tmp', tmpdir()]), 'kilnyard-image-'));
  const root = join(folder, 'root');
  try {
    await debootstrap(root, machine, sources, say, signal);
    await trustWhatWeTrust(root);
    await writeFile(join(root, 'etc/apt/sources.list'), sourcesList(sources));
    await addNode(root, say);
    await shrink(root);
    signal.throwIfAborted();
    say(`loading ${image.repo}:${image.tag} into the engine`);
    await load(docker, root, image);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function checkedSources(machine: Machine, image: string): Promise<AptSource[]> {
  const sources = machine.mayInstall ? await aptSources(machine) : [];
  if (sources.length > 0) return sources;
  const got = machine.mayInstall
    ? 'apt knows no package source of this system (run apt-get update)'
    : 'this is none, or we are not root';
  throw new SetupError(
    `The image ${image} can only be made here as root on a Debian or Ubuntu with package sources: ${got}.\n` +
      `Put it on the engine by hand (docker pull …, docker tag … ${image}), or name another in KILNYARD_DEFAULT_IMAGE.`,
  );
}

async function debootstrap(
  root: string,
  machine: Machine,
  sources: AptSource[],
  say: Say,
  signal: AbortSignal,
): Promise<void> {
  const main = sources.find((source) => source.release === machine.codename) ?? sources[0];
  const step = newStepTeller(say);
  const args = ['--variant=minbase', `--include=${PACKAGES.join(',')}`, machine.codename, root, main?.site ?? ''];
  const made = await run('debootstrap', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: DEBOOTSTRAP_MS,
    signal,
    onLine: step,
  });
  signal.throwIfAborted();
  if (made.exitCode === 0) return;
  const last = made.output.split('\n').slice(-6).join('\n');
  throw new SetupError(`debootstrap failed (exit ${made.exitCode}); the base image could not be made:\n${last}`);
}

/** Tells debootstrap's hundreds of lines as its five stages. */
export function newStepTeller(say: Say): (line: string) => void {
  const stages: [RegExp, string][] = [
    [/^I: Retrieving InRelease/, 'base image: reading the package lists'],
    [/^I: Retrieving (?!InRelease|Packages)/, 'base image: fetching packages'],
    [/^I: Extracting /, 'base image: unpacking the system'],
    [/^I: Installing core packages/, 'base image: installing the system'],
    [/^I: Unpacking the base system/, 'base image: installing the tools'],
  ];
  return (line) => {
    const at = stages.findIndex(([pattern]) => pattern.test(line));
    if (at < 0) return;
    const [stage] = stages.splice(0, at + 1).slice(-1);
    if (stage) say(stage[1]);
  };
}

/** The text of sources.list for the image: what this machine uses, updates and security included. */
export function sourcesList(sources: AptSource[]): string {
  return sources.map(({ site, release, component }) => `deb ${site} ${release} ${component}\n`).join('');
}

/** A machine behind a proxy with its own authority can build behind it too. */
async function trustWhatWeTrust(root: string): Promise<void> {
  const extra = '/usr/local/share/ca-certificates';
  await cp(extra, join(root, extra), { recursive: true }).catch(ignoreMissing);
  await run('chroot', [root, 'update-ca-certificates'], { timeoutMs: 60_000 });
  await cp(CERTIFICATES, join(root, CERTIFICATES)).catch(ignoreMissing);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** This very Node and its npm; Debian's packages where this one does not run inside (it was built against other libraries). */
async function addNode(root: string, say: Say): Promise<void> {
  say(`base image: adding Node ${process.version}`);
  await cp(await realpath(process.execPath), join(root, 'usr/local/bin/node'));
  const works = await run('chroot', [root, '/usr/local/bin/node', '--version'], { timeoutMs: 30_000 });
  const npm = await npmFolder();
  if (works.exitCode === 0 && npm !== undefined) {
    await cp(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true, verbatimSymlinks: true });
    const links = ['npm', 'npx'].map(
      (name) => `ln -sf ../lib/node_modules/npm/bin/${name}-cli.js /usr/local/bin/${name}`,
    );
    const linked = await run('chroot', [root, 'sh', '-c', `${links.join(' && ')} && npm --version`], {
      timeoutMs: 60_000,
    });
    if (linked.exitCode === 0) return;
  }
  await rm(join(root, 'usr/local/bin/node'), { force: true });
  const apt = 'apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm';
  const made = await run('chroot', [root, 'sh', '-c', apt], { timeoutMs: 600_000 });
  if (made.exitCode !== 0)
    throw new SetupError(`Node could not be put into the base image:\n${made.output.slice(-2000)}`);
}

async function npmFolder(): Promise<string | undefined> {
  const beside = join(dirname(dirname(await realpath(process.execPath))), 'lib/node_modules/npm');
  const program = findProgram('npm');
  const ofProgram = program === undefined ? undefined : dirname(dirname(await realpath(program)));
  for (const folder of [beside, ofProgram]) {
    if (folder !== undefined && (await stat(join(folder, 'bin/npm-cli.js')).catch(() => undefined))) return folder;
  }
  return undefined;
}

async function shrink(root: string): Promise<void> {
  const folders = ['var/cache/apt/archives', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man', 'usr/share/locale'];
  await Promise.all(folders.map((folder) => rm(join(root, folder), { recursive: true, force: true })));
  await run('mkdir', ['-p', join(root, 'var/cache/apt/archives/partial'), join(root, 'var/lib/apt/lists/partial')]);
  await rm(join(root, 'etc/machine-id'), { force: true });
}

async function load(docker: Docker, root: string, image: { repo: string; tag: string }): Promise<void> {
  const tar = spawn('tar', ['-C', root, '--numeric-owner', '--exclude=./proc/*', '--exclude=./sys/*', '-c', '.'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<number | null>((resolve) => tar.once('close', resolve));
  const changes = [
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'ENV LANG=C.UTF-8',
    `ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}`,
    'CMD ["bash"]',
    'LABEL kilnyard.image=standard',
  ];
  const answer = await docker.importImage(tar.stdout, { ...image, changes });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(answer, (error) => (error ? reject(error) : resolve()));
  });
  const code = await ended;
  if (code !== 0) throw new SetupError(`tar failed (exit ${code}) while the base image was loaded`);
}

async function firstFolder(candidates: string[]): Promise<string> {
  for (const folder of candidates) if (await stat(folder).catch(() => undefined)) return folder;
  return tmpdir();
}
