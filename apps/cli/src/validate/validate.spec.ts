import { describe, expect, it } from '@jest/globals';
import { realBuildspecs, skipLoudly } from '#buildspec/testing/real-buildspecs.js';
import { main } from '../main.js';
import { UsageError } from '../command.js';

/** Runs the command line over a text. Out: what it said, and its exit status. */
async function kilnyard(args: string[], text = 'version: 0.2\nphases: {build: {commands: [make]}}\n') {
  const said = { out: '', err: '', read: [] as string[] };
  const status = await main(args, {
    out: (more) => (said.out += more),
    err: (more) => (said.err += more),
    read: async (path, limit) => {
      said.read.push(path);
      if (path === 'none.yml') throw new UsageError('cannot read none.yml: there is no such file');
      return Buffer.from(text).subarray(0, limit);
    },
  });
  return { status, ...said };
}

describe('kilnyard validate', () => {
  it('says of a valid buildspec what it would do', async () => {
    const text = [
      'version: 0.2',
      'run-as: builder',
      'phases:',
      '  build: {commands: [a, b], finally: [c], on-failure: ABORT}',
      '  install: {commands: [a], run-as: root}',
      'artifacts: {files: [dist/**/*, "*.tgz"], secondary-artifacts: {docs: {files: [site/*]}}}',
      'cache: {paths: [node_modules/**/*], key: npm}',
      'reports: {unit: {files: [junit.xml]}}',
      'batch: {build-graph: [{identifier: a}, {identifier: b, depend-on: [a]}]}',
    ].join('\n');
    const { status, out, err, read } = await kilnyard(['validate', '--json'], text);
    expect([status, err, read]).toEqual([0, '', ['buildspec.yml']]);
    expect(JSON.parse(out)).toMatchObject({
      file: 'buildspec.yml',
      valid: true,
      plan: { batch: { kind: 'build-graph' } },
    });
    const said = await kilnyard(['validate', 'ci.yml'], text);
    expect(said.read).toEqual(['ci.yml']);
    const lines = said.out.slice(said.out.indexOf('ci.yml: valid')).split('\n').slice(1, -1);
    expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['INSTALL', '1 command, as root'],
      ['BUILD', '2 commands, 1 finally, as builder, on failure ABORT'],
      ['artifacts', 'dist/**/*, *.tgz'],
      ['artifacts docs', 'site/*'],
      ['cache', 'key npm, node_modules/**/*'],
      ['report unit', 'JUNITXML: junit.xml'],
      ['batch', 'build-graph, 2 tasks, 1 wait for others'],
    ]);
  });

  it('shows each finding with its line and a mark, and exits 1', async () => {
    const text = 'version: 0.2\nphases:\n  build:\n    comands: [make]\n    commands:\n\t\t\n      - echo foo: bar\n';
    const { status, out } = await kilnyard(['validate', 'b.yml'], text);
    expect(status).toBe(1);
    expect(out).toBe(
      [
        'b.yml:4:5: warning: phases.build.comands: expected a key that Kilnyard knows here, got comands',
        '  4 |     comands: [make]',
        '    |     ^',
        '  did you mean commands?',
        '',
        'b.yml:7:9: error: Expected Commands[0] to be of string type: found subkeys instead at line 7, value of the key tag on line 6 might be empty',
        '  7 |       - echo foo: bar',
        '    |         ^',
        '',
        'b.yml: not valid, 1 error, 1 warning',
        '',
      ].join('\n'),
    );
  });

  it('keeps tabs before the mark, shows long lines in part, and lets nothing steer the terminal', async () => {
    const tabbed = await kilnyard(['validate', '-'], 'version: 0.2\nenv: {shell:\t[\u001b[31m]}\n');
    expect(tabbed.out).toContain('standard input:2:');
    expect(tabbed.out).not.toContain('\u001b');
    expect(tabbed.out).toContain('2 | env: {shell:\t[\uFFFD[31m]}');
    const long = await kilnyard(['validate'], `version: 0.2\nenv: {variables: {A: ${'x'.repeat(500)}, 1B: y}}\n`);
    const [, shown = '', mark = ''] = long.out.split('\n');
    expect(shown.length).toBeLessThan(140);
    expect(shown.slice(mark.indexOf('^'))).toMatch(/^1B: y/);
  });

  it.each([
    ['errors', 'version: 9', [], 1],
    ['warnings', 'version: 0.2\nx: y\nphases: {build: {commands: [a]}}', [], 0],
    ['warnings, strictly', 'version: 0.2\nx: y\nphases: {build: {commands: [a]}}', ['--strict'], 1],
    ['nothing, strictly', 'version: 0.2\nphases: {build: {commands: [a]}}', ['--strict'], 0],
    ['too much', 'x'.repeat(600_000), [], 1],
    ['no text', '', [], 1],
  ])('exits by what it found: %s', async (_, text, args, status) => {
    expect((await kilnyard(['validate', ...args], text)).status).toBe(status);
  });

  it.each([
    [['validate', 'none.yml'], 'cannot read none.yml: there is no such file'],
    [['validate', 'a', 'b'], 'expected one file, got 2'],
    [['validate', '--jsno'], "Unknown option '--jsno'"],
    [['validate', '--json=x'], "'--json' does not take an argument"],
    [['valid'], 'there is no command valid'],
    [['help', 'valid'], 'there is no command valid'],
    [[], 'Usage: kilnyard <command>'],
  ])('asked with %j, exits 2 and says why', async (args, why) => {
    const { status, out, err } = await kilnyard(args);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(why);
  });

  it.each([[['--help']], [['help']], [['help', 'validate']], [['validate', '--help']], [['validate', 'x.yml', '-h']]])(
    'asked with %j, helps',
    async (args) => {
      const { status, out, err, read } = await kilnyard(args);
      expect([status, err, read]).toEqual([0, '', []]);
      expect(out).toContain('Usage: kilnyard');
    },
  );
});

describe('real buildspecs', () => {
  if (realBuildspecs.length === 0) return skipLoudly('the command line is not tried on them');
  it('are valid, but for the shell of Windows', async () => {
    const statuses = await Promise.all(
      realBuildspecs.map(async ({ file, text }) => [file, (await kilnyard(['validate'], text)).status]),
    );
    const failed = statuses.filter(([, status]) => status !== 0);
    expect(failed).toEqual([['aws-amplify__amplify-cli__codebuild_specs__run_e2e_tests_windows.yml', 1]]);
  });
});
