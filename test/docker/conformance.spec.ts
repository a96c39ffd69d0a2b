// As a team that comes from CodeBuild I run my buildspecs unchanged: five real ones from start to end in real containers. The programs that
// they call are stubs on PATH, which say how they were called, in which folder; what they answer is told by the test. What is expected was
// derived by hand from each file and from codebuild-contract C.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { House } from '#testing/house.js';
import type { BuildView } from '#testing/house-client.js';
import { saidBy } from '#testing/said.js';
import { makeStubImage, removeStubImage, STUB_IMAGE } from './stub-image.js';

const FOLDER = fileURLToPath(new URL('../../../shared/data/buildspecs/', import.meta.url));
const FILES = {
  signing: 'aws__amazon-ecs-agent__buildspecs__signing.yml',
  pipeline:
    'aws-ia__terraform-aws-control_tower_account_factory__modules__aft-customizations__buildspecs__aft-create-pipeline.yml',
  vscode: 'aws__aws-toolkit-vscode__buildspec__linuxTests.yml',
  copilot: 'aws__copilot-cli__.release__buildspec.yml',
  python: 'aws__aws-encryption-sdk-python__codebuild__release__prod-release.yml',
};
type Name = keyof typeof FILES;
const missing = Object.values(FILES).filter((file) => !existsSync(FOLDER + file));

interface Ran {
  build: BuildView;
  /** What the build's commands and the stubs said, in order; stubs as `(folder) program arguments`. */
  output: string[];
  /** The lines of the stubs alone. */
  calls: string[];
}

let house: House;
let count = 0;

/** One build of a real file, in a repository of its own with `files` in it. `answers`: cases of the shell for `program arguments`. */
async function run(
  name: Name,
  {
    answers = '',
    files = {},
    variables = {},
    ...settings
  }: {
    answers?: string;
    files?: Record<string, string>;
    variables?: Record<string, string>;
    [setting: string]: unknown;
  },
): Promise<Ran> {
  count += 1;
  const text = readFileSync(FOLDER + FILES[name], 'utf8');
  const { url } = await house.git.repository(`real-${count}`, { 'buildspec.yml': text, ...files });
  const environmentVariables = Object.entries({ STUB_ANSWERS: answers, ...variables }).map(([variable, value]) => ({
    name: variable,
    value,
  }));
  const build = await house.client.build(`real-${count}`, {
    source: { type: 'GIT', location: url },
    environment: { image: STUB_IMAGE, environmentVariables },
    ...settings,
  });
  const output = saidBy(await house.client.lines(build.id), text);
  const calls = output.filter((line) => line.startsWith('stub ')).map((line) => line.slice('stub '.length));
  return { build, output, calls };
}

const phase = (build: BuildView, type: string): unknown[] => {
  const found = build.phases.find(({ phaseType }) => phaseType === type);
  return found === undefined ? ['not run'] : [found.phaseStatus, found.contexts[0]?.message];
};
const typesOf = (build: BuildView): string[] => build.phases.map(({ phaseType }) => phaseType);
async function artifactFiles(build: BuildView): Promise<string[]> {
  const { items } = await house.client.json<{ items: { fileCount: number; downloadUrl: string }[] }>(
    'GET',
    `/v1/builds/${build.id}/artifacts`,
  );
  if (items.length === 0) return [];
  const zip = (await house.client.bytes(items[0]!.downloadUrl)).toString('latin1');
  // names stand in the central directory: signature, 42 bytes, then the name whose length is at 28
  const names: string[] = [];
  for (let at = zip.indexOf('PK\x01\x02'); at >= 0; at = zip.indexOf('PK\x01\x02', at + 4)) {
    const length = zip.charCodeAt(at + 28) + zip.charCodeAt(at + 29) * 256;
    names.push(zip.slice(at + 46, at + 46 + length));
  }
  return names.sort();
}

if (missing.length > 0) {
  console.warn(`SKIPPED: ${missing.join(', ')} are not in ${FOLDER}; no real buildspec is run`);
  describe('real buildspecs', () => {
    it.skip(`SKIPPED because ${FOLDER} is missing or not whole`, () => undefined);
  });
} else {
  beforeAll(async () => {
    await makeStubImage();
    house = await House.start({ backend: 'docker' });
  });
  afterAll(async () => {
    await house?.stop();
    await removeStubImage();
  });

  describe('amazon-ecs-agent, signing.yml', () => {
    const versions = { AGENT_VERSION: '1.90.0', GIT_COMMIT_SHORT_SHA: '0a1b2c3d', INIT_VERSION: '1.90.0-1' };
    const amd = [
      'ecs-agent-v1.90.0.tar',
      'ecs-agent-latest.tar',
      'ecs-agent-0a1b2c3d.tar',
      'amazon-ecs-init-1.90.0-1.x86_64.rpm',
    ];
    const amdCsi = ['ebs-csi-driver-v1.90.0.tar', 'ebs-csi-driver-latest.tar', 'ebs-csi-driver-0a1b2c3d.tar'];
    const arm = [
      'ecs-agent-arm64-v1.90.0.tar',
      'ecs-agent-arm64-latest.tar',
      'ecs-agent-arm64-0a1b2c3d.tar',
      'amazon-ecs-init-1.90.0-1.aarch64.rpm',
    ];
    const armCsi = [
      'ebs-csi-driver-arm64-v1.90.0.tar',
      'ebs-csi-driver-arm64-latest.tar',
      'ebs-csi-driver-arm64-0a1b2c3d.tar',
    ];
    const scripts = ['ecs-anywhere-install-1.90.0-1.sh', 'ecs-anywhere-install-latest.sh'];
    const debs = ['amazon-ecs-init-1.90.0-1.amd64.deb', 'amazon-ecs-init-1.90.0-1.arm64.deb'];
    /** In the order in which the file signs them. */
    const signed = [...amd, ...amdCsi, ...scripts, ...arm, ...armCsi, ...debs];

    async function sign(answers: string): Promise<Ran> {
      const filesOf = (names: string[]): Record<string, string> =>
        Object.fromEntries(names.map((name) => [name, `content of ${name}\n`]));
      const source = async (sourceIdentifier: string, files: Record<string, string>) => ({
        type: 'GIT',
        sourceIdentifier,
        location: (await house.git.repository(`signing-${count}-${sourceIdentifier.toLowerCase()}`, files)).url,
      });
      return run('signing', {
        answers,
        variables: { ...versions, PRIVATE_KEY_ARN: 'arn:key', PASSPHRASE: 'open-sesame' },
        secondarySources: [
          await source('AmdBuildArtifact', {
            ...filesOf([...amd, ...amdCsi]),
            'scripts/ecs-anywhere-install.sh': '#!/bin/sh\n',
          }),
          await source('ArmBuildArtifact', filesOf([...arm, ...armCsi])),
          await source('UbuntuAmdBuildArtifact', filesOf([debs[0]!])),
          await source('UbuntuArmBuildArtifact', filesOf([debs[1]!])),
        ],
        artifacts: { type: 'S3', packaging: 'ZIP' },
      });
    }
    const ANSWERS = `
      'aws secretsmanager'*) echo '{"SecretString": "key"}' ;;
      'jq '*) echo the-key ;;
      'gpg --detach-sign'*) while [ "$1" != --output ]; do shift; done; echo signature > "$2" ;;
      'gpg --with-colons'*) echo 'fpr:::::::::F1N6E4:' ;;`;

    it('carries variables and a file of functions from command to command, and signs everything in order', async () => {
      const { build, calls } = await sign(ANSWERS);
      expect(build.buildStatus).toBe('SUCCEEDED');
      expect(calls).toEqual([
        '(.) aws secretsmanager get-secret-value --secret-id arn:key',
        '(.) jq -r .SecretString',
        '(.) gpg --allow-secret-key-import --import private.gpg',
        ...signed.map(
          (file) => `(.) gpg --detach-sign --batch --passphrase open-sesame --armor --output ${file}.asc ${file}`,
        ),
        '(.) gpg --with-colons --fingerprint',
        '(.) gpg --batch --delete-secret-keys F1N6E4',
        '(.) gpg --list-secret-keys --verbose',
      ]);
      expect(await artifactFiles(build)).toEqual([...signed, ...signed.map((file) => `${file}.asc`)].sort());
      expect(build.exportedEnvironmentVariables).toEqual([{ name: 'CODEBUILD_BUILD_ID', value: build.id }]);
    });

    it('with ABORT ends at the first command of build that fails: no post_build, no artifacts', async () => {
      const { build, calls } = await sign(`'gpg --allow-secret'*) exit 2 ;; ${ANSWERS}`);
      expect(calls.at(-1)).toBe('(.) gpg --allow-secret-key-import --import private.gpg');
      expect(build.buildStatus).toBe('FAILED');
      expect(phase(build, 'BUILD')).toEqual([
        'FAILED',
        'Error while executing command: gpg --allow-secret-key-import --import private.gpg. Reason: exit status 2',
      ]);
      expect(typesOf(build).slice(-3)).toEqual(['BUILD', 'FINALIZING', 'COMPLETED']);
      expect(await artifactFiles(build)).toEqual([]);
    });
  });

  describe('AWS Control Tower Account Factory, aft-create-pipeline.yml', () => {
    const parameters = ['TF_S3_BUCKET', 'TF_BACKEND_REGION', 'TF_KMS_KEY_ID', 'TF_DDB_TABLE', 'TF_VERSION'];
    const ask = (name: string): string =>
      `(.) aws ssm get-parameter --name /${name} --query Parameter.Value --output text`;
    const TEMPLATES = './aws-aft-core-framework/sources/aft-customizations-common/templates/customizations_pipeline';
    const ANSWERS = `
      *'--name /TF_VERSION '*) echo 1.5.7 ;;
      *'--name /TF_S3_BUCKET '*) echo bucket ;;
      *'--name /TF_BACKEND_REGION '*) echo eu-west-1 ;;
      *'--name /TF_KMS_KEY_ID '*) echo key ;;
      *'--name /TF_DDB_TABLE '*) echo table ;;
      *'--name /AWS_MODULE_SOURCE '*) echo https://git.example/aft ;;
      *'--name /AWS_MODULE_GIT_REF '*) echo v1 ;;
      'aws ssm get-parameter --name /aft/config/aft-ssh-key'*) exit 255 ;;
      'git clone'*)
        mkdir -p aws-aft-core-framework/sources/scripts ${TEMPLATES}
        printf '#!/bin/sh\\necho "stub (creds)" >&2\\n' > aws-aft-core-framework/sources/scripts/creds.sh
        echo template > ${TEMPLATES}/backend.jinja ;;
      'unzip '*) cp /opt/stubs/stub terraform ;;
      'python3 -m venv'*) mkdir -p venv/bin; echo 'VIRTUAL_ENV=/tmp/venv; export VIRTUAL_ENV; PATH=/tmp/venv/bin:$PATH' > venv/bin/activate ;;
      'jinja2 '*) echo "rendered by $VIRTUAL_ENV" ;;`;
    const create = (answers: string): Promise<Ran> =>
      run('pipeline', {
        answers,
        variables: {
          VENDED_ACCOUNT_ID: '123456789012',
          ...Object.fromEntries(
            [...parameters, 'AWS_MODULE_SOURCE', 'AWS_MODULE_GIT_REF'].map((name) => [`SSM_${name}`, `/${name}`]),
          ),
        },
        artifacts: { type: 'NO_ARTIFACTS' },
      });

    it('goes on with its variables, folder and venv from install to build, and its set -e is over with its command', async () => {
      const { build, output, calls } = await create(ANSWERS);
      expect(phase(build, 'INSTALL')).toEqual(['SUCCEEDED', '']);
      expect(build.buildStatus).toBe('SUCCEEDED');
      expect(calls.filter((call) => !call.includes(' jinja2 '))).toEqual([
        ...parameters.map(ask),
        ask('AWS_MODULE_SOURCE'),
        ask('AWS_MODULE_GIT_REF'),
        '(.) git config --global credential.helper !aws codecommit credential-helper $@',
        '(.) git config --global credential.UseHttpPath true',
        '(.) git clone --quiet -b v1 https://git.example/aft aws-aft-core-framework',
        '(creds)',
        '(/tmp) curl -q -o terraform_1.5.7_linux_amd64.zip https://releases.hashicorp.com/terraform/1.5.7/terraform_1.5.7_linux_amd64.zip',
        '(/tmp) unzip -q -o terraform_1.5.7_linux_amd64.zip',
        '(/tmp) terraform --version',
        '(/tmp) python3 -m venv ./venv',
        '(/tmp) pip install -U pip',
        '(/tmp) pip install jinja2-cli==0.7.0 Jinja2==3.0.1',
        `(${TEMPLATES}) terraform init -no-color`,
        `(${TEMPLATES}) terraform apply -var=account_id=123456789012 -no-color --auto-approve`,
      ]);
      expect(calls.find((call) => call.includes(' jinja2 '))).toMatch(
        /^\(\S+\/customizations_pipeline\) jinja2 backend\.jinja -D timestamp=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d -D region=eu-west-1 -D bucket=bucket -D key=123456789012-customizations-pipeline\/terraform\.tfstate -D dynamodb_table=table -D kms_key_id=key -D tf_version=1\.5\.7$/,
      );
      expect(output).toContain('rendered by /tmp/venv');
    });

    it('with ABORT in build ends when terraform fails', async () => {
      const { build } = await create(`'terraform apply'*) exit 1 ;; ${ANSWERS}`);
      expect(typesOf(build).slice(-3)).toEqual(['BUILD', 'FINALIZING', 'COMPLETED']);
      expect(phase(build, 'BUILD')).toEqual(['FAILED', expect.stringMatching(/terraform apply .* exit status 1$/)]);
    });
  });

  describe('aws-toolkit-vscode, linuxTests.yml', () => {
    const files = {
      'buildspec/shared/linux-install.sh': 'echo "install as $(id -un) with $(node --version)"\n',
      'buildspec/shared/linux-pre_build.sh': 'echo "pre_build as $(id -un) in $HOME"\n',
      'buildspec/shared/common.sh':
        'run_and_report() { local code=$1 text=$2; local all; all=$(cat); echo "$all"; case $all in *"$text"*) return "$code" ;; esac; }\n',
    };
    const test = (answers: string): Promise<Ran> =>
      run('vscode', {
        answers: `'node --version') echo v18.20.8 ;; ${answers}`,
        files,
        artifacts: { type: 'NO_ARTIFACTS' },
      });

    it('selects node, installs as root, tests as codebuild-user', async () => {
      const { build, output } = await test(`'xvfb-run '*) echo all fine ;;`);
      expect(output).toEqual([
        'Installing Node.js version 18 ...',
        'stub (.) n 18.20.8',
        'stub (.) node --version',
        'install as root with v18.20.8',
        'pre_build as codebuild-user in /home/codebuild-user',
        // run_and_report shows the rest when it has read all of it
        'stub (.) npm run mergeReports -- 0',
        'stub (.) xvfb-run npm test --silent',
        'all fine',
      ]);
      expect(build.buildStatus).toBe('SUCCEEDED');
    });

    it.each([
      ['a test that fails', `'xvfb-run '*) exit 1 ;; 'npm run mergeReports -- 1') exit 1 ;;`, 1],
      ['a test that says what it may not', `'xvfb-run '*) echo rejected promise not handled ;;`, 2],
    ])('fails under pipefail by %s', async (_, answers, status) => {
      const { build } = await test(answers);
      expect(build.buildStatus).toBe('FAILED');
      expect(phase(build, 'BUILD')).toEqual(['FAILED', expect.stringMatching(`exit status ${status}$`)]);
      expect(phase(build, 'POST_BUILD')).toEqual(['SUCCEEDED', '']);
    });
  });

  describe('copilot-cli, .release/buildspec.yml', () => {
    const binaries = 'copilot.exe copilot-darwin-amd64 copilot-darwin-arm64 copilot-linux-arm64';
    const ANSWERS = `
      'git rev-parse --short HEAD') echo abc1234 ;;
      'git tag --contains abc1234') echo v1.34.0 ;;
      'git rev-parse HEAD') echo abc1234abc1234abc1234abc1234abc1234abc123 ;;
      'make release') mkdir -p bin/local; for f in ${binaries}; do echo $f > bin/local/$f; done
        printf '#!/bin/sh\\necho "copilot version: v1.34.0"\\n' > bin/local/copilot-linux-amd64; chmod +x bin/local/copilot-linux-amd64 ;;`;
    const release = (answers: string): Promise<Ran> =>
      run('copilot', { answers, artifacts: { type: 'S3', packaging: 'ZIP' } });
    const made = [
      'windows-v1.34.0.exe',
      'darwin-v1.34.0',
      'darwin-amd64-v1.34.0',
      'darwin-arm64-v1.34.0',
      'linux-v1.34.0',
    ]
      .concat(['linux-amd64-v1.34.0', 'linux-arm64-v1.34.0'])
      .concat(['windows.exe', 'darwin', 'darwin-amd64', 'darwin-arm64', 'linux', 'linux-arm64']);

    it('builds, runs each finally, tags its binaries and exports the commit', async () => {
      const { build, output, calls } = await release(ANSWERS);
      expect(build.buildStatus).toBe('SUCCEEDED');
      expect(calls).toEqual([
        '(/root/.goenv) git pull --ff-only',
        '(.) goenv install 1.21.1',
        '(.) goenv global 1.21.1',
        '(.) make tools',
        '(.) make release',
        '(.) git rev-parse --short HEAD',
        '(.) git tag --contains abc1234',
        '(.) git rev-parse HEAD',
      ]);
      expect(output.filter((line) => line === 'Built artifacts:')).toHaveLength(2);
      expect(output.filter((line) => line === 'copilot version: v1.34.0')).toHaveLength(2);
      expect(build.exportedEnvironmentVariables).toEqual([
        { name: 'LONG_COMMIT_ID', value: 'abc1234abc1234abc1234abc1234abc1234abc123' },
      ]);
      const names = await artifactFiles(build);
      expect(names).toEqual(expect.arrayContaining(made.map((name) => `aws/copilot/copilot-${name}`)));
      expect(names).toEqual(
        expect.arrayContaining(['buildspec.yml', 'abc1234abc1234abc1234abc1234abc1234abc123.manifest']),
      );
    });

    it('when its build fails runs finally, post_build and the artifacts all the same', async () => {
      const { build, output, calls } = await release(`'make release') exit 2 ;; ${ANSWERS}`);
      expect(build.buildStatus).toBe('FAILED');
      expect(phase(build, 'BUILD')).toEqual([
        'FAILED',
        'Error while executing command: make release. Reason: exit status 2',
      ]);
      expect(calls.at(-1)).toBe('(.) make release');
      // finally of build ends at its own first failure, ls of a folder that was not made; that of post_build follows it
      expect(output.filter((line) => line === 'Built artifacts:')).toHaveLength(2);
      expect(phase(build, 'POST_BUILD')).toEqual([
        'FAILED',
        'Error while executing command: VERSION=`./bin/local/copilot-linux-amd64 --version`. Reason: exit status 127',
      ]);
      expect(typesOf(build).slice(-3)).toEqual(['UPLOAD_ARTIFACTS', 'FINALIZING', 'COMPLETED']);
      expect(await artifactFiles(build)).toContain('buildspec.yml');
    });
  });

  describe('aws-encryption-sdk-python, prod-release.yml', () => {
    const files = { 'src/aws_encryption_sdk/identifiers.py': '__version__ = "4.0.1"\n' };
    const release = (VERSION: string): Promise<Ran> =>
      run('python', {
        files,
        answers: `'tox -e release') echo "$TWINE_USERNAME/$TWINE_PASSWORD to $BRANCH" ;;`,
        variables: { VERSION, COMMIT_ID: 'c0ffee', BRANCH: 'from-the-project' },
        artifacts: { type: 'NO_ARTIFACTS' },
      });
    beforeAll(async () => {
      const value = JSON.stringify({ username: '__token__-user', password: 'pypi-secret' });
      await house.client.json('PUT', '/v1/secrets/PyPiAPIToken', { value });
    });

    it('reads its secrets by key, masks them, and takes the project’s variable before its own', async () => {
      const { build, output } = await release('4.0.1');
      expect(output).toEqual([
        'Installing Python version 3.12 ...',
        'stub (.) pyenv global 3.12.11',
        'stub (.) pip install tox < 4.0',
        'stub (.) pip install --upgrade pip',
        'stub (.) git checkout c0ffee',
        '0',
        'stub (.) tox -e release',
        '***/*** to from-the-project',
      ]);
      expect(build.buildStatus).toBe('SUCCEEDED');
    });

    it('stops before the release when the version is another', async () => {
      const { build, calls, output } = await release('4.0.2');
      expect(output).toContain('identifiers.py version (4.0.1) does not match expected version (4.0.2), stopping');
      expect(calls.at(-1)).toBe('(.) git checkout c0ffee');
      expect(phase(build, 'PRE_BUILD')).toEqual(['FAILED', expect.stringMatching(/exit status 1$/)]);
      expect(typesOf(build).slice(-3)).toEqual(['PRE_BUILD', 'FINALIZING', 'COMPLETED']);
      expect(build.buildStatus).toBe('FAILED');
    });
  });
}
