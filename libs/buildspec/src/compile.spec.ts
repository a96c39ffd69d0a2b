import { describe, expect, it } from '@jest/globals';
import { compile } from './compile.js';
import { describeFinding } from './findings.js';
import { parseBuildspec } from './parse.js';
import type { Buildspec, BuildspecCache } from './buildspec.js';

const read = (...lines: string[]): Buildspec => parseBuildspec(['version: 0.2', ...lines].join('\n')).buildspec;

describe('compile', () => {
  it('plans the four phases in order, whatever the order of the text', () => {
    const plan = compile(
      read(
        'run-as: a',
        'phases:',
        '  post_build: {commands: [z]}',
        '  build: {commands: [x, y], finally: [f], run-as: b, on-failure: ABORT}',
      ),
    );
    expect(plan.phases).toEqual([
      {
        type: 'INSTALL',
        runtimes: [],
        commands: [],
        finally: [],
        runAs: 'a',
        onFailure: { action: 'DEFAULT' },
        listed: false,
      },
      {
        type: 'PRE_BUILD',
        runtimes: [],
        commands: [],
        finally: [],
        runAs: 'a',
        onFailure: { action: 'DEFAULT' },
        listed: false,
      },
      {
        type: 'BUILD',
        runtimes: [],
        commands: ['x', 'y'],
        finally: ['f'],
        runAs: 'b',
        onFailure: { action: 'ABORT' },
        listed: true,
      },
      {
        type: 'POST_BUILD',
        runtimes: [],
        commands: ['z'],
        finally: [],
        runAs: 'a',
        onFailure: { action: 'DEFAULT' },
        listed: true,
      },
    ]);
  });

  it.each([
    ['', 'sh'],
    ['sh', 'sh'],
    ['/bin/sh', 'sh'],
    ['bash', 'bash'],
    ['/bin/bash', 'bash'],
  ])('shell %j is %s', (shell, planned) => {
    expect(compile(read('env:', `  shell: ${shell}`)).shell).toBe(planned);
  });

  it.each(['powershell.exe', 'cmd.exe', 'zsh', '/bin/../bin/bash', 'bash -x'])('shell %s is refused', (shell) => {
    expect(() => compile(read('env:', `  shell: ${shell}`))).toThrow(
      `env.shell: expected bash, /bin/bash, sh or /bin/sh (builds run on Linux), got ${shell}`,
    );
  });

  it('lets a secret win over a parameter over a plain text, and names each once', () => {
    const plan = compile(
      read(
        'env:',
        '  variables: {A: 1, B: 2, C: 3}',
        '  parameter-store: {B: /p/b, C: /p/c}',
        '  secrets-manager: {C: s:k}',
      ),
    );
    expect(plan.variables).toEqual([{ name: 'A', value: '1' }]);
    expect(plan.parameterStore).toEqual([{ name: 'B', parameter: '/p/b' }]);
    expect(plan.secretsManager).toEqual([{ name: 'C', reference: 's:k' }]);
  });

  it('exports each name once, and none of AWS', () => {
    expect(compile(read('env: {exported-variables: [A, AWS_X, B, A]}')).exportedVariables).toEqual(['A', 'B']);
  });

  it('lets env win over the older spelling in version 0.1', () => {
    const text = 'version: 0.1\nenvironment_variables: {plaintext: {A: old, B: b}}\nenv: {variables: {A: new}}';
    expect(compile(parseBuildspec(text).buildspec)).toMatchObject({
      version: '0.1',
      variables: [
        { name: 'A', value: 'new' },
        { name: 'B', value: 'b' },
      ],
    });
  });

  it.each<[string, BuildspecCache | null, string]>([
    ['', null, 'no section'],
    ['cache: {key: k}', { paths: [], key: 'k', fallbackKeys: [], action: 'both' }, 'a section without paths'],
    [
      'cache: {paths: [a], fallback-keys: [b]}',
      { paths: ['a'], key: null, fallbackKeys: [], action: 'both' },
      'no key, no fallback',
    ],
    [
      'cache: {paths: [a], key: k, fallback-keys: [b], action: restore}',
      { paths: ['a'], key: 'k', fallbackKeys: ['b'], action: 'restore' },
      'all',
    ],
  ])('cache of %j is %j: %s', (line, cache) => {
    expect(compile(read(line)).cache).toEqual(cache);
  });

  it('plans artifacts, and none where only secondary ones have files', () => {
    const files = { excludePaths: [], baseDirectory: null, discardPaths: false, name: null, enableSymlinks: false };
    expect(compile(read('artifacts: {files: [a], name: n}'))).toMatchObject({
      artifacts: { ...files, files: ['a'], name: 'n' },
      secondaryArtifacts: [],
    });
    expect(compile(read('artifacts: {secondary-artifacts: {s: {files: [a]}}}'))).toMatchObject({
      artifacts: null,
      secondaryArtifacts: [{ ...files, identifier: 's', files: ['a'] }],
    });
    expect(compile(read('phases: {build: {commands: [a]}}')).artifacts).toBeNull();
  });

  it.each([
    ['env: {git-credential-helper: yes}', /^env\.git-credential-helper: expected no \(/],
    ['proxy: {logs: yes}', /^proxy: expected no \(/],
  ])('warns that %s has no effect', (line, message) => {
    expect(compile(read(line)).warnings.map(describeFinding)).toEqual([expect.stringMatching(message)]);
  });

  it('carries the warnings of parse, then its own, and compares identifiers with the project', () => {
    const buildspec = read('artifacts: {secondary-artifacts: {a: {files: [x]}, b: {files: [x]}}}');
    const earlier = { field: 'x', expected: 'y', got: 'z' };
    const plan = compile(buildspec, { warnings: [earlier], secondaryArtifactIdentifiers: ['a'] });
    expect(plan.warnings.map(describeFinding)).toEqual([
      'x: expected y, got z',
      'artifacts.secondary-artifacts.b: expected an artifactIdentifier of the project (a), got b',
    ]);
    expect(compile(buildspec).warnings).toEqual([]);
  });

  it('shares nothing with the buildspec', () => {
    const buildspec = read('phases: {build: {commands: [a]}}', 'cache: {paths: [a]}');
    const before = structuredClone(buildspec);
    const plan = compile(buildspec);
    plan.phases[2]?.commands.push('b');
    plan.cache?.paths.push('b');
    expect(buildspec).toEqual(before);
  });
});
