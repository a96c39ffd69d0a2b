import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Refusal } from '#core/errors.js';
import { describeFinding, warningLines } from './findings.js';
import { MAX_BUILDSPEC_BYTES, MAX_BUILDSPEC_FINDINGS } from './limits.js';
import { parseBuildspec } from './parse.js';

const read = (...lines: string[]) => parseBuildspec(['version: 0.2', ...lines].join('\n')).buildspec;
const warned = (...lines: string[]) =>
  parseBuildspec(['version: 0.2', ...lines].join('\n')).warnings.map(describeFinding);
function refusalOf(text: string): Refusal {
  try {
    parseBuildspec(text);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error(`no refusal of ${text.slice(0, 100)}`);
}
const refused = (...lines: string[]) => refusalOf(['version: 0.2', ...lines].join('\n')).findings.map(describeFinding);

describe('version', () => {
  it.each([
    ['version: 0.2', '0.2', 'a number'],
    ['version: "0.2"', '0.2', 'a text'],
    ["version: '0.1'", '0.1', 'the older one'],
    ['version: 0.20', '0.2', 'the same number'],
    ['---\nversion: 0.2', '0.2', 'a document start'],
    ['\uFEFFversion: 0.2', '0.2', 'a byte order mark'],
    ['# c\r\nversion: 0.2\r\n', '0.2', 'Windows line ends'],
  ])('%j is %s: %s', (text, version) => {
    expect(parseBuildspec(text).buildspec.version).toBe(version);
  });

  it.each([
    ['version: 0.3', 'version: expected 0.2 or 0.1, got 0.3 at line 1, column 10'],
    ['phases: {}', 'version: expected 0.2 or 0.1, got no version at line 1, column 1'],
    ['version:\n', 'version: expected 0.2 or 0.1, got no version at line 1, column 1'],
    ['version: [0.2]', 'version: expected a text, got a list at line 1, column 10'],
    ['', 'buildspec: expected a map with version and phases, got nothing at line 1, column 1'],
    ['- a', 'buildspec: expected a map with version and phases, got a list at line 1, column 1'],
  ])('%j is refused: %s', (text, message) => {
    expect(refusalOf(text).message).toBe(message);
  });
});

describe('scalars', () => {
  it.each([
    ['3.10', '3.10', 'a number keeps its digits'],
    ['012', '012', 'no octal'],
    ['yes', 'yes', 'no boolean'],
    ['2020-01-01', '2020-01-01', 'no date'],
    ['12:30', '12:30', 'no base sixty'],
    ['1_000', '1_000', 'no underscores lost'],
    ['0x1F', '0x1F', 'no hexadecimal'],
    ['$PATH:/x', '$PATH:/x', 'nothing is expanded'],
    ['"a\\tb"', 'a\tb', 'a quoted text is read'],
    ['"~"', '~', 'quoted is no null'],
    ['~', '', 'null is an empty text'],
    ['', '', 'nothing is an empty text'],
    ['!!int 7', '7', 'a YAML tag changes nothing'],
  ])('env value %s is %j: %s', (text, value) => {
    expect(read('env:', '  variables:', `    A: ${text}`).env.variables).toEqual([{ name: 'A', value }]);
  });

  it.each([
    ['yes', true],
    ['No', false],
    ['TRUE', true],
    ['"yes"', true],
    ['off', false],
    ['', false],
  ])('flag %s is %s', (text, flag) => {
    expect(read('env:', `  git-credential-helper: ${text}`).env.gitCredentialHelper).toBe(flag);
  });

  it('keeps runtime versions as written', () => {
    expect(
      read('phases:', '  install:', '    runtime-versions:', '      python: 3.10', '      nodejs: $V').runtimeVersions,
    ).toEqual([
      { name: 'python', version: '3.10' },
      { name: 'nodejs', version: '$V' },
    ]);
  });
});

describe('phases', () => {
  it('takes a null phase and null items as absent', () => {
    const { phases } = read(
      'phases:',
      '  build:',
      '  install:',
      '    commands:',
      '      - # later',
      '      - a',
      '      -',
      '      - ~',
    );
    expect(phases).toEqual({
      install: { commands: ['a'], finally: [], runAs: null, onFailure: { action: 'DEFAULT' } },
    });
  });

  it('takes a phase with finally alone, a single text as a list, and scalars as text', () => {
    const { phases } = read(
      'phases:',
      '  build:',
      '    finally: [b]',
      '  post_build:',
      '    commands: c',
      '  pre_build:',
      '    commands: [true, 5]',
    );
    expect(phases.build).toMatchObject({ commands: [], finally: ['b'] });
    expect(phases.post_build?.commands).toEqual(['c']);
    expect(phases.pre_build?.commands).toEqual(['true', '5']);
  });

  it('keeps a command of several lines whole and folds a plain one', () => {
    const { phases } = read(
      'phases:',
      '  build:',
      '    commands:',
      '      - |',
      '        if a; then',
      '          b',
      '        fi',
      '      - c',
      '        d',
    );
    expect(phases.build?.commands).toEqual(['if a; then\n  b\nfi\n', 'c d']);
  });

  it.each([
    ['ABORT', { action: 'ABORT' }],
    ['continue', { action: 'CONTINUE' }],
    ['RETRY', { action: 'RETRY', count: 3, pattern: null }],
    ['RETRY-0', { action: 'RETRY', count: 0, pattern: null }],
    ['retry-100', { action: 'RETRY', count: 100, pattern: null }],
    ['Retry-3-time.*out', { action: 'RETRY', count: 3, pattern: 'time.*out' }],
    ['RETRY-time-out', { action: 'RETRY', count: 3, pattern: 'time-out' }],
    ['RETRY-5xx', { action: 'RETRY', count: 3, pattern: '5xx' }],
  ])('on-failure %s is %j', (text, onFailure) => {
    expect(read('phases:', '  build:', `    on-failure: ${text}`).phases.build?.onFailure).toEqual(onFailure);
  });

  it.each(['RETRY-101', 'RETRY-3-', 'RETRY-', 'RETRYX', 'STOP', '""'])('on-failure %s is refused', (text) => {
    expect(refused('phases:', '  build:', `    on-failure: ${text}`)).toEqual([
      expect.stringMatching(/^phases\.build\.on-failure: expected ABORT, CONTINUE, RETRY.* at line 4, column 17$/),
    ]);
  });

  it.each([
    [
      '      - echo foo: bar',
      'Expected Commands[0] to be of string type: found subkeys instead at line 5, value of the key tag on line 4 might be empty',
    ],
    ['      - [a]', 'phases.build.commands[0]: expected a text, got a list at line 5, column 9'],
  ])('command %j is refused', (line, message) => {
    expect(refused('phases:', '  build:', '    commands:', line)).toEqual([message]);
  });

  it('knows runtime-versions in install only', () => {
    const phase = '{commands: [a], runtime-versions: {nodejs: 20}}';
    expect(warned(`phases: {install: ${phase}}`)).toEqual([]);
    for (const name of ['pre_build', 'build', 'post_build']) {
      expect(warned(`phases: {${name}: ${phase}}`)).toEqual([
        expect.stringContaining(`phases.${name}.runtime-versions: expected a key that Kilnyard knows here`),
      ]);
    }
    expect(refused('phases: {install: {runtime-versions: {nodejs: }}}')).toEqual([
      expect.stringContaining('phases.install.runtime-versions.nodejs: expected a version, got nothing'),
    ]);
  });

  it('refuses steps', () => {
    expect(refused('phases:', '  build:', '    steps:', '      - uses: x')).toEqual([
      'phases.build.steps: expected commands (Kilnyard does not run GitHub Actions steps), got steps at line 5, column 7',
    ]);
  });

  it.each(['root', 'codebuild-user', '_apt', '1000', 'a.b'])('run-as %s is a user', (user) => {
    expect(read(`run-as: ${user}`).runAs).toBe(user);
  });

  it.each(['-c', 'a b', 'a;b', '$(id)', 'a/b', '""', 'a'.repeat(33)])('run-as %s is refused', (user) => {
    expect(refused(`run-as: ${user}`)).toEqual([expect.stringContaining('run-as: expected the name of a Linux user')]);
  });
});

describe('env', () => {
  it.each([
    [
      '1A: x',
      'env.variables.1A: expected a name of letters, digits and _ that starts with no digit, got 1A at line 4, column 5',
    ],
    [
      'A-B: x',
      'env.variables.A-B: expected a name of letters, digits and _ that starts with no digit, got A-B at line 4, column 5',
    ],
    [
      'CODEBUILD_X: x',
      'env.variables.CODEBUILD_X: expected a name that does not start with CODEBUILD_ (reserved), got CODEBUILD_X at line 4, column 5',
    ],
    ['A: [x]', 'env.variables.A: expected a text, got a list at line 4, column 8'],
    ['A: "a\\0b"', 'env.variables.A: expected text without a NUL character, got a NUL character at line 4, column 8'],
  ])('variable %s is refused', (line, message) => {
    expect(refused('env:', '  variables:', `    ${line}`)).toEqual([message]);
  });

  it('lets the two settings of report discovery be set', () => {
    expect(read('env:', '  variables:', '    CODEBUILD_CONFIG_AUTO_DISCOVER: false').env.variables).toHaveLength(1);
  });

  it.each(['LD_PRELOAD', 'BASH_ENV', 'ENV', 'SHELLOPTS', 'PS4'])('only warns of %s', (name) => {
    expect(warned('phases: {build: {commands: [a]}}', 'env:', '  variables:', `    ${name}: x`)).toEqual([
      `env.variables.${name}: expected a name that no shell or loader takes as an instruction, got ${name} at line 5, column 5`,
    ]);
  });

  it('refuses an empty reference and warns of a name in two maps', () => {
    expect(refused('env:', '  parameter-store:', '    A:')).toEqual([
      'env.parameter-store.A: expected the name of what to read, got an empty text at line 4, column 5',
    ]);
    expect(warned('artifacts: {files: x}', 'env:', '  variables: {A: x}', '  secrets-manager: {A: y}')).toEqual([
      'env.variables.A: expected a name in one of the three maps, got it is in env.secrets-manager too, which wins at line 4, column 15',
    ]);
  });
});

describe('files', () => {
  it('reads artifacts, with a single text for a list', () => {
    const { artifacts } = read(
      'artifacts:',
      '  files: "**/*"',
      '  exclude-paths: "**/.*"',
      '  discard-paths: yes',
      '  secondary-artifacts:',
      '    a1: {files: [x], base-directory: b}',
    );
    expect(artifacts).toMatchObject({ files: ['**/*'], excludePaths: ['**/.*'], discardPaths: true });
    expect(artifacts?.secondary).toEqual([
      expect.objectContaining({ identifier: 'a1', files: ['x'], baseDirectory: 'b' }),
    ]);
  });

  it.each([
    [['artifacts: {name: x}'], 'artifacts: expected files with at least one pattern, got none at line 2, column 12'],
    [
      ['artifacts: {secondary-artifacts: {a: {name: x}}}'],
      'artifacts.secondary-artifacts.a: expected files with at least one pattern, got none at line 2, column 38',
    ],
    [
      ['artifacts: {files: x, secondary-artifacts: {../a: {files: x}}}'],
      'artifacts.secondary-artifacts.../a: expected an identifier of letters, digits and _, got ../a at line 2, column 51',
    ],
    [['cache: {paths: x, action: both}'], 'cache.action: expected restore or save, got both at line 2, column 27'],
    [
      ['cache: {paths: x, key: k, fallback-keys: [a, b, c, d, e, f]}'],
      'cache.fallback-keys: expected at most 5 (MAX_FALLBACK_KEYS), got 6 at line 2, column 42',
    ],
    [
      ['reports: {a: {files: x, file-format: XUNIT}}'],
      expect.stringContaining('reports.a.file-format: expected one of JUNITXML, '),
    ],
    [['reports: {a: {}}'], 'reports.a.files: expected at least one file pattern, got none at line 2, column 14'],
    [
      [`artifacts: {files: [${'a, '.repeat(1001)}]}`],
      'artifacts.files: expected at most 1000 patterns (MAX_GLOBS), got 1001 at line 2, column 20',
    ],
    [
      [`artifacts: {files: x, exclude-paths: ${'a'.repeat(4097)}}`],
      expect.stringContaining(
        'artifacts.exclude-paths: expected patterns of at most 4096 characters (MAX_GLOB_LENGTH)',
      ),
    ],
    [['artifacts: [x]'], 'artifacts: expected a map, got a list at line 2, column 12'],
  ])('%j is refused', (lines, message) => {
    expect(refused(...lines)).toEqual([message]);
  });

  it('reads a cache and reports', () => {
    const buildspec = read(
      'cache: {paths: [a], key: k, fallback-keys: [b], action: Save}',
      'reports:',
      '  arn:aws:codebuild:x:report-group/y:',
      '    files: [r.xml]',
      '    file-format: cloverXml',
    );
    expect(buildspec.cache).toEqual({ paths: ['a'], key: 'k', fallbackKeys: ['b'], action: 'save' });
    expect(buildspec.reports).toEqual([
      {
        group: 'arn:aws:codebuild:x:report-group/y',
        files: ['r.xml'],
        fileFormat: 'CLOVERXML',
        baseDirectory: null,
        discardPaths: false,
      },
    ]);
  });

  it.each([
    ['no file-format', '', 'JUNITXML'],
    ['any case', 'file-format: VisualStudioTrx', 'VISUALSTUDIOTRX'],
    ['the addition to CodeBuild’s', 'file-format: lcov', 'LCOV'],
  ])('a report with %s', (_, line, format) => {
    const [report] = read(
      'reports:',
      '  $GROUP:',
      '    files: "**/*.xml"',
      `    ${line}`,
      '    discard-paths: yes',
    ).reports;
    expect(report).toMatchObject({ group: '$GROUP', files: ['**/*.xml'], fileFormat: format, discardPaths: true });
  });

  it('takes five report groups and no more', () => {
    const groups = (count: number) => Array.from({ length: count }, (_, n) => `  g${n}: {files: x}`);
    expect(read('reports:', ...groups(5)).reports).toHaveLength(5);
    expect(refused('reports:', ...groups(6))[0]).toContain('at most 5 report groups (MAX_REPORT_GROUPS), got 6');
  });
});

describe('YAML', () => {
  it('resolves anchors and merge keys, own keys winning', () => {
    const { env, phases } = read(
      'env:',
      '  variables: &v {A: 1, B: 2}',
      'phases:',
      '  build: &b',
      '    commands: &c [x]',
      '  post_build: {<<: *b, commands: [y], finally: *c}',
      'cache: {paths: *c}',
    );
    expect(env.variables).toHaveLength(2);
    expect(phases.post_build).toMatchObject({ commands: ['y'], finally: ['x'] });
  });

  it('tells all findings in the order of the text', () => {
    const refusal = refusalOf('version: 9\nphases:\n  build:\n    run-as: -x\n    commands:\n      - a: b\nenv: []\n');
    expect(refusal.code).toBe('BUILDSPEC_INVALID');
    expect(refusal.message).toBe('version: expected 0.2 or 0.1, got 9 at line 1, column 10 (and 3 more)');
    expect(refusal.findings.map(({ field, line, column }) => [field, line, column])).toEqual([
      ['version', 1, 10],
      ['phases.build.run-as', 4, 13],
      ['phases.build.commands[0]', 6, 9],
      ['env', 7, 6],
    ]);
  });

  it('tells a mistake of YAML with its path, beside those of the fields', () => {
    const { findings } = refusalOf(
      'version: 0.2\nphases:\n  build:\n    commands: [*stpes]\n    on-failure: ABROT\n    commands: []\nenv: {shell: &steps bash}\n',
    );
    expect(findings.map(({ field, line, column, suggestion }) => [field, line, column, suggestion])).toEqual([
      ['phases.build.commands[0]', 4, 16, undefined],
      ['phases.build.on-failure', 5, 17, 'ABORT'],
      ['phases.build.commands', 6, 5, undefined],
    ]);
    const alias = refusalOf('version: 0.2\nenv: {shell: &steps bash}\nphases:\n  build:\n    commands: *stpes\n');
    expect(alias.message).toBe(
      'phases.build.commands: expected an anchor &stpes before its alias, got none (did you mean *steps?) at line 5, column 15',
    );
  });

  it.each([
    ['a tab between key and value', 'A:\tb'],
    ['a tab before a comment', 'A: b\t# c'],
    ['a tab at the end of a line', 'A: b\t'],
    ['a tab alone on a line', 'A: b\n\t\n'],
    ['Windows line ends', 'A: b\r\n'],
  ])('reads %s', (_, line) => {
    expect(read('env:', '  variables:', `    ${line}`).env.variables).toEqual([{ name: 'A', value: 'b' }]);
  });

  it('stays with YAML 1.1 where the text asks for 1.2, and keeps a tab inside a command', () => {
    const { buildspec } = parseBuildspec(
      '%YAML 1.2\n---\nversion: 0.2\nproxy: {logs: yes}\nphases: {build: {commands: ["a\tb"]}}\n...\n',
    );
    expect(buildspec.proxy.logs).toBe(true);
    expect(buildspec.phases.build?.commands).toEqual(['a\tb']);
  });

  it('takes an alias as a key, and comments alone before the document', () => {
    const { buildspec } = parseBuildspec(
      '# one\n\n# two\n---\n# three\nversion: 0.2\nrun-as: &who builder\nenv: {variables: {*who : 1}}\n',
    );
    expect(buildspec.env.variables).toEqual([{ name: 'builder', value: '1' }]);
  });

  it('takes the keys yes, no, on, off, null-like texts and numbers as the texts that they are', () => {
    const names = read('env:', '  variables: {on: 1, yes: 2, "null": 3}').env.variables.map(({ name }) => name);
    expect(names).toEqual(['on', 'yes', 'null']);
  });

  it('tells several syntax errors at once', () => {
    const refusal = refusalOf('version: 0.2\na: [1\nb: "x\nc: d\n');
    expect(refusal.findings.length).toBeGreaterThan(1);
    expect(new Set(refusal.findings.map(({ line }) => line)).size).toBe(refusal.findings.length);
  });

  it.each([
    [
      'version: 0.2\nversion: 0.2',
      /^version: expected a key only once in its map, got it again \(first at line 1\) at line 2, column 1$/,
      'a key twice',
    ],
    ['version: 0.2\n? [a]\n: b', /expected a plain text as key, got a list at line 2, column 3/, 'a list as key'],
    ['version: 0.2\nenv: *e', /an anchor &e before its alias, got none at line 2/, 'an unknown alias'],
    ['version: 0.2\nenv: &e {variables: *e}', /an anchor &e before its alias/, 'an alias inside its own anchor'],
    ['version: 0.2\nenv: {<<: x}', /a map, or a list of maps, got x/, 'a merge of a text'],
    ['version: 0.2\nenv: {? : x}', /env: expected a plain text as key, got nothing/, 'no key'],
    ['version: 0.2\nphases:\n\tbuild: x', /Tabs are not allowed/, 'a tab'],
  ])('%j is refused: %s', (text, message) => {
    expect(refusalOf(text).message).toMatch(message);
  });

  it('warns of unknown keys, tags and further documents', () => {
    expect(
      parseBuildspec('version: 0.2\nbuild: x\nartifacts: {files: !Ref x, type: zip}\n---\na: b\n').warnings.map(
        describeFinding,
      ),
    ).toEqual([
      'build: expected a key that Kilnyard knows here, got build (did you mean phases.build?) at line 2, column 1',
      expect.stringMatching(/plain YAML, got Unresolved tag: !Ref \(ignored\) at line 3/),
      'artifacts.type: expected a key that Kilnyard knows here, got type at line 3, column 28',
      expect.stringMatching(/one YAML document, got several/),
    ]);
  });

  it('lays warnings out as CodeBuild does', () => {
    const { warnings } = parseBuildspec('version: 0.2\nx: y\nartifacts: {files: a, type: zip, v: w}\ncache: {key: a}');
    expect(warningLines(warnings)).toEqual([
      'Found possible syntax errors in buildspec:',
      'In the section buildspec',
      '\tThe following keys cannot be identified:',
      '\t\tx',
      'In the section artifacts',
      '\tThe following keys cannot be identified:',
      '\t\ttype',
      '\t\tv',
      'Warning: cache: expected paths to cache, got none; nothing is cached at line 4, column 8',
    ]);
    expect(warningLines([])).toEqual([]);
    expect(warningLines(parseBuildspec('version: 0.2\nphases: {build: {comands: [a]}}').warnings)).toEqual([
      'Found possible syntax errors in buildspec:',
      'In the section phases.build',
      '\tThe following keys cannot be identified:',
      '\t\tcomands',
      'Did you mean commands instead of phases.build.comands?',
      'Warning: phases: expected at least one command, got none; the build does nothing at line 2, column 9',
    ]);
  });
});

describe('suggestions', () => {
  it.each([
    ['phasse: {}', 'phases'],
    ['Phases: {}', 'phases'],
    ['build: {commands: [a]}', 'phases.build'],
    ['runas: root', 'run-as'],
    ['environment: {}', 'env'],
    ['phases: {prebuild: {commands: [a]}}', 'pre_build'],
    ['phases: {pre-build: {commands: [a]}}', 'pre_build'],
    ['phases: {artifacts: {}}', 'artifacts'],
    ['phases: {build: {comands: [a]}}', 'commands'],
    ['phases: {build: {on-fail: ABORT}}', 'on-failure'],
    ['phases: {build: {runtime-versions: {nodejs: 20}}}', 'phases.install.runtime-versions'],
    ['phases: {install: {runtime-versions: {node: 20}}}', 'nodejs'],
    ['phases: {install: {runtime-versions: {go: 1.22}}}', 'golang'],
    ['env: {varibales: {}}', 'variables'],
    ['artifacts: {files: [a], exlude-paths: b}', 'exclude-paths'],
    ['artifacts: {files: [dist/]}', 'dist/**/*'],
    ['xyzzy: 1', undefined],
  ])('of %s is %s', (line, suggestion) => {
    const { warnings } = parseBuildspec(`version: 0.2\n${line}`);
    expect(warnings.find(({ field }) => field !== 'phases')?.suggestion).toBe(suggestion);
  });
});

describe('version 0.1', () => {
  it('reads environment_variables and artifacts.type', () => {
    const { buildspec, warnings } = parseBuildspec(
      'version: 0.1\nenvironment_variables: {plaintext: {A: b}}\nartifacts: {type: zip, files: [x]}',
    );
    expect(buildspec.env.variables).toEqual([{ name: 'A', value: 'b' }]);
    expect(warnings).toEqual([]);
  });
});

describe('limits', () => {
  const bomb = ['version: 0.2', 'b0: &b0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let n = 1; n < 12; n += 1) bomb.push(`b${n}: &b${n} [${new Array(10).fill(`*b${n - 1}`).join(', ')}]`);
  const merges = ['version: 0.2', `a: &a {${Array.from({ length: 1000 }, (_, i) => `k${i}: v`).join(', ')}}`];
  merges.push(`b: {<<: [${new Array(1000).fill('*a').join(', ')}]}`);

  it.each([
    ['text', ' '.repeat(MAX_BUILDSPEC_BYTES) + 'x', 'at most 524288 bytes (MAX_BUILDSPEC_BYTES), got 524289'],
    ['bytes, not characters', 'é'.repeat(MAX_BUILDSPEC_BYTES / 2 + 1), 'MAX_BUILDSPEC_BYTES), got 524290'],
    [
      'flow lists in each other',
      '['.repeat(MAX_BUILDSPEC_BYTES),
      'MAX_BUILDSPEC_DEPTH), got more at line 1, column 65',
    ],
    [
      'block lists in each other',
      '- '.repeat(MAX_BUILDSPEC_BYTES / 2),
      'MAX_BUILDSPEC_DEPTH), got more at line 1, column 129',
    ],
    ['block keys in each other', '? '.repeat(MAX_BUILDSPEC_BYTES / 2), 'MAX_BUILDSPEC_DEPTH)'],
    [
      'maps by indentation',
      Array.from({ length: 900 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      'MAX_BUILDSPEC_DEPTH), got more at line 65',
    ],
    ['tokens', '- a\n'.repeat(MAX_BUILDSPEC_BYTES / 4), 'MAX_BUILDSPEC_TOKENS)'],
    ['aliases of aliases', bomb.join('\n'), 'MAX_BUILDSPEC_NODES)'],
    ['merges of merges', merges.join('\n'), 'MAX_BUILDSPEC_NODES)'],
  ])('too much: %s', (_, text, message) => {
    expect(refusalOf(text).message).toContain(message);
  });

  it('lists so many findings and counts the rest', () => {
    const { findings, message } = refusalOf(
      `version: 0.2\nenv: {variables: {${Array.from({ length: 300 }, (_, i) => `${i}: x`).join(', ')}}}`,
    );
    expect(findings).toHaveLength(MAX_BUILDSPEC_FINDINGS + 1);
    expect(findings.at(-1)?.got).toBe('200 more');
    expect(message).toContain('(and 299 more)');
  });
});

describe('findings', () => {
  it('hold no control characters and no halves of a character', () => {
    const [finding] = refusalOf('version: "0.2\\e[31m\\ud800\\n"').findings;
    expect(finding?.got).toBe('0.2\uFFFD[31m\uFFFD ');
    expect(refusalOf('version: 0.2\nenv: {variables: {"a\\e": x}}').findings[0]?.field).toBe('env.variables.a\uFFFD');
  });

  it('have paths of at most 300 characters, however long the keys', () => {
    const { findings } = refusalOf(`version: 0.2\n? ${'k'.repeat(9000)}\n: {a: 1, a: 2}\n? ${'l'.repeat(400)}\n: *m\n`);
    expect(findings.map(({ field }) => [field.slice(0, 2), field.length])).toEqual([
      ['kk', 300],
      ['ll', 300],
    ]);
  });

  it('are capped for warnings too', () => {
    const { warnings } = parseBuildspec(
      `version: 0.2\n${Array.from({ length: 300 }, (_, i) => `k${i}: x`).join('\n')}`,
    );
    expect(warnings).toHaveLength(MAX_BUILDSPEC_FINDINGS + 1);
    expect(warnings.at(-1)?.got).toMatch(/^\d+ more$/);
  });
});

describe('whatever the text', () => {
  const isRefusalOrBuildspec = (text: string) => {
    try {
      return JSON.stringify(parseBuildspec(text).buildspec) !== '';
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'BUILDSPEC_INVALID') return false;
      return (
        error.findings.length > 0 && error.findings.every(({ line, got }) => line !== undefined || / more$/.test(got))
      );
    }
  };
  const word = fc.constantFrom(
    ...'version phases build install commands finally run-as env variables artifacts files cache paths batch reports steps'.split(
      ' ',
    ),
    ...[
      '0.2',
      'a',
      '~',
      '<<',
      '*a',
      '&a',
      '!b',
      '|',
      '>',
      '"',
      "'",
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      ': ',
      '- ',
      '? ',
      '#',
      '\n',
      '\n  ',
      '\n    ',
      '\t',
      '%',
      '\0',
      '\uD800',
      '__proto__',
    ],
  );

  it('is read or refused with findings: any characters', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), isRefusalOrBuildspec), { numRuns: 150 });
  });

  it('is read or refused with findings: YAML-like words', () => {
    const text = fc.array(word, { maxLength: 60 }).map((words) => `version: 0.2\n${words.join('')}`);
    fc.assert(fc.property(text, isRefusalOrBuildspec), { numRuns: 500 });
  });

  it('is read or refused with findings: any data in the place of any section', () => {
    const section = fc.constantFrom(
      'phases',
      'env',
      'artifacts',
      'cache',
      'reports',
      'batch',
      'proxy',
      'run-as',
      'version',
    );
    const property = fc.property(fc.dictionary(section, fc.jsonValue({ maxDepth: 4 })), (data) =>
      isRefusalOrBuildspec(JSON.stringify({ version: '0.2', ...data })),
    );
    fc.assert(property, { numRuns: 200 });
  });

  it('gives every command back that JSON can write', () => {
    const commands = fc.array(fc.string({ unit: 'grapheme' }).filter((command) => !command.includes('\0')));
    fc.assert(
      fc.property(commands, (list) => {
        const text = JSON.stringify({ version: 0.2, phases: { build: { commands: list } } });
        expect(parseBuildspec(text).buildspec.phases.build?.commands).toEqual(list);
      }),
    );
  });
});
