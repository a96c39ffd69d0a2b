// The script is run for real, by every POSIX shell that this machine has: what it prints, tells and carries on.
import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEvent, type ScriptEvent } from './events.js';
import { writeScript, type ScriptPhase, type ScriptPlan } from './write-script.js';

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

const SHELLS = [
  { name: 'sh', runner: ['/bin/sh'], user: '/bin/sh' },
  { name: 'bash', runner: ['bash', '--posix'], user: 'bash' },
  { name: 'busybox', runner: ['busybox', 'sh'], user: 'busybox sh' },
].filter(({ runner }) => spawnSync(runner[0]!, ['--help']).error === undefined);

interface Ran {
  output: string;
  /** Without the `[Container]` lines. */
  said: string;
  events: ScriptEvent[];
  folder: string;
}

function run(shell: (typeof SHELLS)[number], over: Partial<ScriptPlan> & { phases: ScriptPhase[] }): Ran {
  const folder = mkdtempSync(join(tmpdir(), 'kilnyard-script-'));
  folders.push(folder);
  for (const name of ['control', 'tmp', 'src']) mkdirSync(join(folder, name));
  execFileSync('mkfifo', [join(folder, 'control/stdout')]);
  writeFileSync(join(folder, 'control/output'), '');
  const script = writeScript({
    controlRoot: join(folder, 'control'),
    tempDir: join(folder, 'tmp'),
    sourceDir: join(folder, 'src'),
    shell: 'sh',
    carry: true,
    runAs: null,
    variables: [],
    exported: [],
    expansions: [],
    ownProcesses: false,
    ...over,
  }).replace('\nSH=/bin/sh\n', `\nSH="${shell.user}"\n`);
  const file = join(folder, 'script');
  // busybox is one program with a word behind it: let the words split where the script runs "$SH"
  writeFileSync(file, shell.name === 'busybox' ? script.replaceAll('"$SH"', '$SH') : script);
  const done = spawnSync(shell.runner[0]!, [...shell.runner.slice(1), file], { timeout: 20_000, encoding: 'utf8' });
  if (done.stderr !== '' || done.status === null)
    throw new Error(`the runner itself failed: ${done.status} ${done.stderr}`);
  const output = readFileSync(join(folder, 'control/output'), 'utf8').replaceAll('\x1e', '');
  const texts = over.phases.flatMap((one) => [...(one.runtimes ?? []), ...one.commands, ...one.finally]);
  const shown = texts.reduce((rest, text) => rest.replaceAll(`Running command ${text}\n`, '\n'), output);
  const events = readFileSync(join(folder, 'control/events'), 'utf8').split('\n').map(readEvent);
  return {
    output,
    said: shown.replace(/^\[Container\] .*\n/gm, ''),
    events: events.filter((event) => event !== null),
    folder,
  };
}

const phase = (type: ScriptPhase['type'], commands: string[], over: Partial<ScriptPhase> = {}): ScriptPhase => ({
  type,
  commands,
  finally: [],
  runAs: null,
  onFailure: null,
  ...over,
});
const build = (...commands: string[]): { phases: ScriptPhase[] } => ({
  phases: [phase('INSTALL', []), phase('PRE_BUILD', []), phase('BUILD', commands), phase('POST_BUILD', [])],
});

describe.each(SHELLS)('a script under $name', (shell) => {
  it.each([
    ['an unexported variable', ['A=1', 'echo "a=$A"'], 'a=1\n'],
    ['an exported variable, to programs too', ['export A=1', "env | grep '^A='"], 'A=1\n'],
    [
      'a value with quotes, newlines and dollars',
      [`A='x"y '"'"'z' B='l1\nl2 $HOME'`, 'echo "$A|$B"'],
      `x"y 'z|l1\nl2 $HOME\n`,
    ],
    ['the folder', ['mkdir d', 'cd d', 'basename "$PWD"; basename "$(pwd)"'], 'd\nd\n'],
    ['an unset of a given variable', ['unset GIVEN', 'echo "${GIVEN-gone}"'], 'gone\n'],
    [
      'a change of PATH',
      ['PATH=$PWD/bin:$PATH', 'mkdir bin; printf "#!/bin/sh\\necho mine\\n" >bin/tool; chmod +x bin/tool', 'tool'],
      'mine\n',
    ],
    ['IFS', ['IFS=,', 'A=1,2', 'set -- $A; echo $#'], '2\n'],
    ['what was set before an early exit 0', ['A=1; exit 0', 'echo "a=$A"'], 'a=1\n'],
    ['what was set by a command that ends in a backslash', ['A=1; echo one \\', 'echo "a=$A"'], 'one\na=1\n'],
    ['what was set by a command that ends in a comment', ['A=1 # last', 'echo "a=$A"'], 'a=1\n'],
    ['what was set by a command that ends in &', ['A=1; true &', 'echo "a=$A"'], 'a=1\n'],
    ['what was set under a trap of the user', ['trap "echo bye" EXIT; A=1', 'echo "a=$A"'], 'bye\na=1\n'],
  ])('carries on %s', (_, commands, said) => {
    const ran = run(shell, { ...build(...commands), variables: [{ name: 'GIVEN', value: 'g' }] });
    expect(ran.said).toBe(said);
    expect(ran.events.at(-1)).toEqual({ kind: 'end' });
  });

  it.each([
    ['set -e', ['set -e', 'false; echo on'], 'on\n'],
    ['aliases', ['alias say=echo', 'say hi 2>/dev/null || echo none'], 'none\n'],
    ['traps', ['trap "echo bye" EXIT', 'echo on'], 'bye\non\n'],
    ['set -u', ['set -u', 'echo "<$NEVER_SET>"'], '<>\n'],
    ['set -f', ['set -f; touch one', 'echo o*'], 'one\n'],
    ['umask', ['umask 077', 'umask'], '0022\n'],
    ['shell functions', ['f() { echo f; }', 'f 2>/dev/null || echo none'], 'none\n'],
    ['set -x, and shows none of its own work', ['set -x; true'], '+ true\n'],
  ])('does not carry on %s', (_, commands, said) => {
    expect(run(shell, build(...commands)).said).toBe(said);
  });

  it('carries on nothing from a command whose shell is killed, which has failed', () => {
    const ran = run(shell, {
      phases: [
        phase('INSTALL', ['A=1', 'A=2; kill -9 $$', 'echo never'], {
          finally: ['echo "a=$A last=$CODEBUILD_LAST_EXIT"'],
        }),
      ],
    });
    expect(ran.said).toContain('a=1 last=137\n');
    expect(ran.said).not.toContain('never');
    expect(ran.events.find((event) => event.kind === 'finish')).toMatchObject({ index: 1, exitCode: 137, note: null });
  });

  it('does not run a command as a user whom the image does not have, and says so', () => {
    const ran = run(shell, { phases: [phase('INSTALL', ['id'], { runAs: 'n0-such-user', finally: ['echo last'] })] });
    const why = 'run-as names the user n0-such-user, whom this image does not have';
    expect(ran.output).toContain(`Command did not exit successfully id ${why}\n`);
    expect(ran.output).toContain(
      `Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: id. Reason: ${why}\n`,
    );
    expect(ran.said).toBe('');
    expect(ran.events.find((event) => event.kind === 'finish')).toMatchObject({
      list: 'commands',
      exitCode: 1,
      note: 'no-user',
    });
  });

  it.each([
    [true, 'safe.directory *\n'],
    [false, ' \n'],
  ])('lets git take a source of another owner: %s', (foreignOwner, said) => {
    const told = phase('INSTALL', ['echo "$GIT_CONFIG_KEY_0 $GIT_CONFIG_VALUE_0"']);
    expect(run(shell, { phases: [told], foreignOwner }).said).toBe(said);
  });

  it('exports no value that is too long, and says so', () => {
    const ran = run(shell, {
      ...build('LONG=$(head -c 40000 /dev/zero | tr "\\0" x) SHORT=$(echo "$LONG" | cut -c1-30000)'),
      exported: ['LONG', 'SHORT'],
    });
    const values = ran.events.filter((event) => event.kind === 'value').map(({ id, text }) => [id, text.length]);
    expect(values).toEqual([['SHORT', 30_000]]);
    expect(ran.said).toBe('The value of LONG is longer than 32768 characters and is not exported\n');
  });

  it('gives commands no input and a pipe that > /dev/stderr cannot empty', () => {
    const ran = run(shell, build('echo one', 'echo two > /dev/stderr', 'echo three > /dev/stdout', 'cat'));
    expect(ran.said).toBe('one\ntwo\nthree\n');
  });

  it('stops at the first failing command, runs finally, and tells which it was', () => {
    const ran = run(shell, {
      phases: [
        phase('INSTALL', ['echo in']),
        phase('PRE_BUILD', ['echo pre; exit 7', 'echo never'], {
          finally: ['echo f1 $CODEBUILD_BUILD_SUCCEEDING', 'echo f2'],
        }),
        phase('BUILD', ['echo never']),
        phase('POST_BUILD', ['echo never']),
      ],
    });
    expect(ran.said).toBe('in\npre\nf1 0\nf2\n');
    expect(ran.events.filter((event) => event.kind === 'finish')).toMatchObject([
      { phase: 'INSTALL', succeeded: true },
      { phase: 'PRE_BUILD', succeeded: false, list: 'commands', index: 0, exitCode: 7 },
    ]);
    expect(ran.output).toContain(
      'Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: echo pre; exit 7. Reason: exit status 7',
    );
  });

  it.each([
    ['INSTALL', null, ['INSTALL']],
    ['PRE_BUILD', null, ['INSTALL', 'PRE_BUILD']],
    ['BUILD', null, ['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD']],
    ['POST_BUILD', null, ['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD']],
    ['INSTALL', 'CONTINUE', ['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD']],
    ['BUILD', 'ABORT', ['INSTALL', 'PRE_BUILD', 'BUILD']],
  ] as const)('after a failing %s with on-failure %s runs %j', (failing, onFailure, expected) => {
    const phases = (['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD'] as const).map((type) =>
      phase(type, [type === failing ? 'exit 1' : 'true'], type === failing ? { onFailure } : {}),
    );
    const ran = run(shell, { phases });
    expect(ran.events.filter((event) => event.kind === 'begin').map((event) => event.phase)).toEqual(expected);
  });

  it('runs the commands of the runtimes first, whose failure skips the phase’s own but not finally', () => {
    const phases = (runtime: string): ScriptPhase[] => [
      phase('INSTALL', ['echo "own $V"'], { runtimes: ['V=18', runtime], finally: ['echo last'] }),
    ];
    expect(run(shell, { phases: phases('echo runtime') }).said).toBe('runtime\nown 18\nlast\n');
    const ran = run(shell, { phases: phases('exit 4') });
    expect(ran.said).toBe('last\n');
    expect(ran.events.find((event) => event.kind === 'finish')).toMatchObject({
      succeeded: false,
      list: 'runtimes',
      index: 1,
      exitCode: 4,
    });
  });

  it('tells exported variables and resolved texts at the end, unexported ones and hard ones too', () => {
    const ran = run(shell, {
      ...build('TAG=v1', `NOTE='a\\b\nc'`, 'export OTHER=x'),
      exported: ['TAG', 'NOTE', 'ABSENT'],
      expansions: ['out/$TAG/*.jar', '$(echo "q")-${OTHER}', 'broken ${', '**/*'],
    });
    const values = ran.events.filter((event) => event.kind === 'value').map(({ of, id, text }) => [of, id, text]);
    expect(values).toEqual([
      ['export', 'TAG', 'v1'],
      ['export', 'NOTE', 'a\\b\nc'],
      ['expand', '0', 'out/v1/*.jar'],
      ['expand', '1', 'q-x'],
      ['expand', '3', '**/*'],
    ]);
  });

  it('starts every command afresh where nothing is carried (version 0.1)', () => {
    expect(run(shell, { ...build('A=1; cd /', 'echo "${A-none}"; basename "$PWD"'), carry: false }).said).toBe(
      'none\nsrc\n',
    );
  });

  it('keeps quotes, backslashes and newlines of commands as they are', () => {
    const ran = run(
      shell,
      build(`printf '%s\\n' "it's" 'a\\tb'`, 'for i in 1 2; do\n  echo $i\ndone', 'cat <<EOF\n$((1+1))\nEOF'),
    );
    expect(ran.said).toBe("it's\na\\tb\n1\n2\n2\n");
  });
});

it.each([0.3, 0.6, 0.9, 0.999])('does nothing at all when only %d of it arrives', (share) => {
  const folder = mkdtempSync(join(tmpdir(), 'kilnyard-script-'));
  folders.push(folder);
  const script = writeScript({
    controlRoot: folder,
    tempDir: folder,
    sourceDir: folder,
    shell: 'sh',
    carry: true,
    runAs: null,
    variables: [],
    phases: build('echo harm').phases,
    exported: [],
    expansions: [],
    ownProcesses: false,
  });
  execFileSync('mkfifo', [join(folder, 'stdout')]);
  writeFileSync(join(folder, 'output'), '');
  spawnSync('/bin/sh', [], { input: script.slice(0, Math.floor(script.length * share)), timeout: 10_000 });
  expect(readFileSync(join(folder, 'output'), 'utf8')).toBe('');
  spawnSync('/bin/sh', [], { input: script, timeout: 10_000 });
  expect(readFileSync(join(folder, 'output'), 'utf8')).toContain('\nharm\n');
});
