// An image with the programs that real buildspecs call, as stubs: bash as every shell, a user `codebuild-user`, a runtimes.yml as CodeBuild's
// own images have it. A stub says `stub (folder) program arguments` on its error output and does what STUB_ANSWERS has for that call.
import { pack } from 'tar-stream';
import { testDocker } from '#testing/docker-leaks.js';

const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
const BASH = process.env['KILNYARD_TEST_IMAGE_BASH'] ?? 'kilnyard-test/bash:1';
export const STUB_IMAGE = 'kilnyard-test/stubs:1';

const PROGRAMS = [
  'aws',
  'curl',
  'git',
  'goenv',
  'gpg',
  'jinja2',
  'jq',
  'make',
  'n',
  'node',
  'npm',
  'pip',
  'pyenv',
].concat(['python3', 'ssh-add', 'tox', 'unzip', 'xvfb-run']);

/** STUB_ANSWERS: branches of a `case` over `program arguments`; `$@` are the arguments. jq says nothing before its input is there. */
const STUB = `#!/bin/bash
name=\${0##*/}
[ "$name" != jq ] || cat >/dev/null
case $PWD in
  "$CODEBUILD_SRC_DIR"*) folder=.\${PWD#"$CODEBUILD_SRC_DIR"} ;;
  *) folder=$PWD ;;
esac
call="$name $*"
echo "stub ($folder) $call" >&2
eval "case \\"\\$call\\" in $STUB_ANSWERS
esac"
`;

const RUNTIMES = `version: 0.1
runtimes:
  nodejs:
    versions:
      18:
        commands:
          - echo "Installing Node.js version 18 ..."
          - n $NODE_18_VERSION
  python:
    versions:
      3.9:
        commands:
          - pyenv global $PYTHON_39_VERSION
      3.12:
        commands:
          - echo "Installing Python version 3.12 ..."
          - pyenv global $PYTHON_312_VERSION
`;

export async function makeStubImage(): Promise<void> {
  const docker = testDocker();
  const donor = await docker.createContainer({ Image: SH, Cmd: ['true'] });
  const container = await docker.createContainer({ Image: BASH, Cmd: ['true'] });
  try {
    await container.putArchive(await donor.getArchive({ path: '/usr/bin/busybox' }), { path: '/usr/bin' });
    await container.putArchive(await files(), { path: '/' });
    const [repo, tag] = STUB_IMAGE.split(':');
    await container.commit({
      repo,
      tag,
      changes: [
        'ENV PATH=/opt/stubs:/usr/bin:/bin',
        'ENV NODE_18_VERSION=18.20.8',
        'ENV PYTHON_39_VERSION=3.9.23',
        'ENV PYTHON_312_VERSION=3.12.11',
      ].join('\n'),
    });
  } finally {
    await donor.remove();
    await container.remove();
  }
}

export async function removeStubImage(): Promise<void> {
  await testDocker().getImage(STUB_IMAGE).remove();
}

async function files(): Promise<Buffer> {
  const tar = pack();
  const users = ['root:x:0:0:root:/root:/bin/sh', 'codebuild-user:x:1000:1000::/home/codebuild-user:/bin/sh'];
  tar.entry({ name: 'etc/passwd' }, `${users.join('\n')}\n`);
  tar.entry({ name: 'etc/group' }, 'root:x:0:\ncodebuild-user:x:1000:\n');
  tar.entry({ name: 'home/codebuild-user', type: 'directory', uid: 1000, gid: 1000 });
  tar.entry({ name: 'root/.goenv', type: 'directory' });
  tar.entry({ name: 'codebuild/image/config/runtimes.yml' }, RUNTIMES);
  tar.entry({ name: 'usr/bin/su', type: 'symlink', linkname: 'busybox' });
  tar.entry({ name: 'opt/stubs/stub', mode: 0o755 }, STUB);
  for (const name of PROGRAMS) tar.entry({ name: `opt/stubs/${name}`, type: 'symlink', linkname: 'stub' });
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
