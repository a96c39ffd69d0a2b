// Two tiny images for the Docker tests, made from this machine's own programs, without an image registry:
// busybox (POSIX sh and its applets, nothing else) and bash (bash, coreutils, findutils, grep, sed, tar, gzip).
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Changed with the recipe: an image of another recipe is made anew. */
const RECIPE = '1';
const LABEL = 'kilnyard.test-image';
const BUSYBOX = 'kilnyard-test/busybox:1';
const BASH = 'kilnyard-test/bash:1';
const BASH_PACKAGES = ['bash', 'coreutils', 'findutils', 'grep', 'sed', 'tar', 'gzip'];

/** Makes the images that are missing. Out: their names, as the tests read them. */
export async function ensureTestImages(docker, machine, say) {
  for (const [image, make] of [
    [BUSYBOX, makeBusybox],
    [BASH, makeBash],
  ]) {
    if (await isCurrent(docker, image)) continue;
    say(`making the test image ${image}`);
    await withFolder(async (root) => {
      await make(root, machine, say);
      await load(docker, root, image);
    });
  }
  return { KILNYARD_TEST_IMAGE_SH: BUSYBOX, KILNYARD_TEST_IMAGE_BASH: BASH };
}

async function isCurrent(docker, image) {
  try {
    return (await docker.getImage(image).inspect()).Config.Labels?.[LABEL] === RECIPE;
  } catch (error) {
    if (error.statusCode === 404) return false;
    throw error;
  }
}

async function withFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'kilnyard-test-image-'));
  chmodSync(folder, 0o755);
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** /bin, /lib and /lib64 are links into /usr, as on the systems whose files we copy. */
function makeTree(root) {
  for (const folder of [
    'usr/bin',
    'usr/sbin',
    'usr/lib',
    'usr/lib64',
    'etc',
    'tmp',
    'root',
    'dev',
    'proc',
    'sys',
    'var/tmp',
  ]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${folder}`, join(root, folder));
  for (const folder of ['tmp', 'var/tmp']) chmodSync(join(root, folder), 0o1777);
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
}

async function makeBusybox(root, machine, say) {
  const { findProgram } = await import('../dist/apps/standalone/src/machine.js');
  const { install } = await import('../dist/apps/standalone/src/debian.js');
  if (!isStatic(findProgram('busybox'))) await install(machine, ['busybox-static'], 'a static busybox is missing', say);
  const busybox = findProgram('busybox');
  makeTree(root);
  copyFileSync(realpathSync(busybox), join(root, 'usr/bin/busybox'));
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n')) {
    if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', join(root, 'usr/bin', applet));
  }
}

function isStatic(program) {
  return program !== undefined && libraries(program).length === 0;
}

async function makeBash(root) {
  makeTree(root);
  const files = execFileSync('dpkg', ['-L', ...BASH_PACKAGES], { encoding: 'utf8' }).split('\n');
  const programs = files.filter((file) => /^(\/usr)?\/bin\/[^/]+$/.test(file) && existsSync(file));
  const needed = new Set(programs.flatMap((program) => libraries(program)));
  for (const file of [...programs, ...needed]) {
    const at = join(root, file.startsWith('/usr/') ? file : `/usr${file}`);
    mkdirSync(dirname(at), { recursive: true });
    copyFileSync(file, at);
  }
  if (!existsSync(join(root, 'usr/bin/sh'))) symlinkSync('bash', join(root, 'usr/bin/sh'));
}

/** The shared libraries of a program, loader included; none for a static one or a script. */
function libraries(program) {
  try {
    const text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return [...text.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]);
  } catch {
    return []; // ldd fails for what is not a dynamic program
  }
}

async function load(docker, root, image) {
  const [repo, tag] = image.split(':');
  const tar = spawn('tar', ['-C', root, '--owner=0', '--group=0', '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => tar.once('close', resolve));
  const answer = await docker.importImage(tar.stdout, {
    repo,
    tag,
    changes: [`LABEL ${LABEL}=${RECIPE}`, 'ENV PATH=/usr/bin:/bin'],
  });
  await new Promise((resolve, reject) =>
    docker.modem.followProgress(answer, (error) => (error ? reject(error) : resolve())),
  );
  if ((await ended) !== 0) throw new Error(`tar failed while ${image} was made`);
}
