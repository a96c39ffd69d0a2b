// As a user I have my buildspec's commands run as on CodeBuild: each statement of codebuild-contract C4, in real containers, under a
// small POSIX shell (busybox) and under bash.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { House } from '#testing/house.js';
import { specOf, type BuildView } from '#testing/house-client.js';
import { saidBy } from '#testing/said.js';

const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';
const BASH = process.env['KILNYARD_TEST_IMAGE_BASH'] ?? 'kilnyard-test/bash:1';
const SHELLS = [
  { shell: 'sh', image: SH, env: {} as Record<string, string> },
  { shell: 'bash', image: BASH, env: { shell: 'bash' } },
];

let house: House;
let count = 0;
beforeAll(async () => {
  house = await House.start({ backend: 'docker' });
});
afterAll(() => house.stop());

async function built(buildspec: string, image: string): Promise<{ build: BuildView; output: string[] }> {
  count += 1;
  const build = await house.client.build(`commands-${count}`, { buildspec, image });
  return { build, output: saidBy(await house.client.lines(build.id), buildspec) };
}
/** Status and message of a phase. */
const endOf = (build: BuildView, phase: string): (string | undefined)[] => {
  const found = build.phases.find(({ phaseType }) => phaseType === phase);
  return [found?.phaseStatus, found?.contexts[0]?.message];
};

/** What each of them says in one phase after the other; none minds what the others leave behind. */
const CARRIED: [string, Record<string, string[]>, string[]][] = [
  [
    'unexported variables, from phase to phase',
    { install: ['TAG=v1'], pre_build: ['echo "$TAG"'], post_build: ['echo "$TAG"'] },
    ['v1', 'v1'],
  ],
  ['what a command printed', { pre_build: ['SAID=$(echo v1)'], build: ['echo "$SAID"'] }, ['v1']],
  [
    'exported variables, to programs',
    { install: ['export A=1'], build: [`sh -c 'echo "$A"'`, 'A=2', `sh -c 'echo "$A"'`] },
    ['1', '2'],
  ],
  [
    'what a sourced file sets',
    { install: ['printf "S=sourced\\nPATH=/opt/mine:\\$PATH\\n" > env', '. ./env'], build: ['echo "$S ${PATH%%:*}"'] },
    ['sourced /opt/mine'],
  ],
  ['what eval sets', { install: ['eval "$(echo "AGENT=7; export AGENT")"'], build: ['echo "$AGENT"'] }, ['7']],
  [
    'values with all that shells mind',
    { install: [`Q='a"b\`c$d\\e'"'"'f  g'`, 'N=$(printf "l1\\nl2")'], build: ['printf "%s|%s\\n" "$Q" "$N"'] },
    [`a"b\`c$d\\e'f  g|l1`, 'l2'],
  ],
  [
    'the folder, from phase to phase',
    { install: ['cd /tmp && mkdir here && cd here'], build: ['pwd', 'cd -'], post_build: ['basename "$PWD"'] },
    ['/tmp/here', '/tmp', 'tmp'],
  ],
];
const NOT_CARRIED: [string, Record<string, string[]>, string[]][] = [
  ['functions', { build: ['f() { echo f; }', 'f 2>/dev/null || echo none'] }, ['none']],
  ['aliases', { build: ['alias g="echo g"', 'g 2>/dev/null || echo none'] }, ['none']],
  ['set -e', { build: ['set -e', 'false; echo on'] }, ['on']],
  ['set -u', { build: ['set -u', 'echo "<$NEVER_SET>"'] }, ['<>']],
  ['set -f', { build: ['set -f', 'cd /usr; echo bi?'] }, ['bin']],
  ['traps', { build: ['trap "echo bye" EXIT', 'echo on'] }, ['bye', 'on']],
  ['redirections of the shell', { build: ['exec >/dev/null', 'echo on'] }, ['on']],
  ['the end of the shell by exit 0', { build: ['echo one; exit 0; echo never', 'echo two'] }, ['one', 'two']],
];

/** One build of all these rows. Out: its status, and what each row said. */
async function together(
  rows: typeof CARRIED,
  env: Record<string, string>,
  image: string,
): Promise<{ status: string; said: Map<string, string[]> }> {
  const phases = ['install', 'pre_build', 'build', 'post_build'].map((phase) => [
    phase,
    rows.flatMap(([name, own]) => (own[phase] === undefined ? [] : [`echo "@ ${name}"`, ...own[phase]])),
  ]);
  const { build, output } = await built(specOf(Object.fromEntries(phases) as Record<string, string[]>, { env }), image);
  const said = new Map<string, string[]>(rows.map(([name]) => [name, []]));
  let row = '';
  for (const line of output) {
    if (line.startsWith('@ ')) row = line.slice(2);
    else said.get(row)!.push(line);
  }
  return { status: build.buildStatus, said };
}

describe.each(SHELLS)('commands under $shell', ({ shell, image, env }) => {
  it.each([
    ['carry on', CARRIED],
    ['do not carry on', NOT_CARRIED],
  ])('%s what they should', async (_, rows) => {
    const { status, said } = await together(rows, env, image);
    expect(status).toBe('SUCCEEDED');
    expect(Object.fromEntries(said)).toEqual(Object.fromEntries(rows.map(([name, , expected]) => [name, expected])));
  });

  it.each<[string, string[], string, string[]]>([
    ['a failing line under set -e', ['set -e\nfalse\necho never'], 'exit status 1', []],
    ['a shell that kills itself', ['kill -9 $$'], 'exit status 137', []],
    [
      'a command that signals its process group',
      ['echo one; kill 0; sleep 10', 'echo never'],
      'exit status 143',
      ['one'],
    ],
  ])('fail by %s', async (_, commands, why, expected) => {
    const { build, output } = await built(specOf({ build: commands, post_build: ['echo after'] }, { env }), image);
    expect(endOf(build, 'BUILD')).toEqual(['FAILED', `Error while executing command: ${commands[0]}. Reason: ${why}`]);
    // a shell tells of what a signal ended; the rest is ours
    const said = output.filter((line) => !/Killed|Terminated/.test(line));
    expect([build.buildStatus, said]).toEqual(['FAILED', [...expected, 'after']]);
  });

  it('do not fail by a line that is not the last, nor by what runs in the background', async () => {
    const commands = ['false; true', 'false\ntrue', 'false | true', 'false &', 'echo end'];
    const { build, output } = await built(specOf({ build: commands }, { env }), image);
    expect([build.buildStatus, output]).toEqual(['SUCCEEDED', ['end']]);
  });

  it('of several lines are one command each, however YAML writes them', async () => {
    const buildspec = [
      'version: 0.2',
      ...(shell === 'bash' ? ['env: {shell: bash}'] : []),
      'phases:',
      '  build:',
      '    commands:',
      '      - |',
      '        for i in 1 2; do',
      '          echo "literal $i"',
      '        done',
      '        cat <<END',
      '        here $((1 + 1))',
      '        END',
      '      - >',
      '        echo folded',
      '        into one',
      '        line',
      '      - echo plain "over',
      '        two" lines',
      `      - 'echo "single: quoted"'`,
      '      - "printf \'%s\\n\' \\"double\\tquoted\\""',
      '',
    ];
    const lines = [
      'literal 1',
      'literal 2',
      'here 2',
      'folded into one line',
      'plain over two lines',
      'single: quoted',
    ];
    for (const newline of ['\n', '\r\n']) {
      const { build, output } = await built(buildspec.join(newline), image);
      expect([newline, build.buildStatus, output]).toEqual([newline, 'SUCCEEDED', [...lines, 'double\tquoted']]);
    }
  });

  it('see no terminal and no input', async () => {
    const { output } = await built(
      specOf(
        { build: ['test -t 0 || echo no terminal', 'read -r line || echo nothing to read', 'cat; echo end'] },
        { env },
      ),
      image,
    );
    expect(output).toEqual(['no terminal', 'nothing to read', 'end']);
  });

  it('of 200,000 characters run whole', async () => {
    const text = 'x'.repeat(200_000);
    const { output } = await built(specOf({ build: [`A=${text}\necho \${#A}`, 'echo ${#A}'] }, { env }), image);
    expect(output).toEqual(['200000', '200000']);
  });

  it('are told where in their text an error is: it begins on line 4 of its script', async () => {
    const { output } = await built(specOf({ build: ['no-such-program || true'] }, { env }), image);
    expect(output).toEqual([expect.stringMatching(/script\.sh: line 4: no-such-program: (command )?not found$/)]);
  });

  it('know how the build stands', async () => {
    const state = 'echo "$CODEBUILD_BUILD_SUCCEEDING $CODEBUILD_LAST_EXIT"';
    const { output } = await built(
      specOf({ pre_build: [state], build: { commands: ['exit 9'], finally: [state] }, post_build: [state] }, { env }),
      image,
    );
    expect(output).toEqual(['1 0', '0 9', '0 0']);
  });

  it('of version 0.1 are each on their own', async () => {
    const { output } = await built(
      JSON.stringify({
        version: 0.1,
        env,
        phases: { build: { commands: ['A=1; cd /', 'echo "<$A>"', 'basename "$PWD"'] } },
      }),
      image,
    );
    expect(output).toEqual(['<>', 'src']);
  });
});

describe('run-as', () => {
  it('of a phase wins over that of the buildspec; both keep variables, folder and source', async () => {
    const { build, output } = await built(
      specOf(
        {
          install: { 'run-as': 'root', commands: ['id -un', 'SET=by-root', 'mkdir sub && cd sub'] },
          build: ['id -un', 'echo "$SET"', 'basename "$PWD"', 'touch mine && stat -c %U mine .', 'SET=by-nobody'],
          post_build: { 'run-as': 'root', commands: ['id -un', 'echo "$SET"', 'echo more >> mine'] },
        },
        { 'run-as': 'nobody' },
      ),
      SH,
    );
    expect([build.buildStatus, output]).toEqual([
      'SUCCEEDED',
      ['root', 'nobody', 'by-root', 'sub', 'nobody', 'nobody', 'root', 'by-nobody'],
    ]);
  });

  it.each([
    [
      'a user whom the image does not have',
      'n0-such',
      SH,
      'run-as names the user n0-such, whom this image does not have',
    ],
    ['an image without su', 'nobody', BASH, 'run-as needs the program su, which this image does not have'],
  ])('fails for %s, and says so', async (_, user, image, why) => {
    const { build, output } = await built(specOf({ build: { 'run-as': user, commands: ['id -un'] } }), image);
    expect([output, build.buildStatus, ...endOf(build, 'BUILD')]).toEqual([
      [],
      'FAILED',
      'FAILED',
      `Error while executing command: id -un. Reason: ${why}`,
    ]);
  });
});

describe('env.shell', () => {
  it.each(['powershell.exe', 'cmd.exe', 'pwsh', 'zsh'])('%s is refused before anything runs', async (shell) => {
    // the API would refuse such a buildspec at once: it comes with the source
    const spec = specOf({ build: ['echo never'] }, { env: { shell } });
    const { url } = await house.git.repository(`shell-${shell}`, { 'buildspec.yml': spec });
    const build = await house.client.build(`shell-${shell.replace('.', '-')}`, {
      source: { type: 'GIT', location: url },
      image: SH,
    });
    const output = await house.client.output(build.id);
    const [status, message] = endOf(build, 'DOWNLOAD_SOURCE');
    expect([status, output]).toEqual(['FAILED', []]);
    expect(message).toContain(`env.shell: expected bash, /bin/bash, sh or /bin/sh (builds run on Linux), got ${shell}`);
  });
});
