// Holds the editors' schema against the parser: what the one takes without a word, the other does too; what the one refuses, so does the other.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { parse } from 'yaml';
import { Refusal } from '#core/errors.js';
import { compile } from '../compile.js';
import { parseBuildspec } from '../parse.js';
import { realBuildspecs, skipLoudly } from '../testing/real-buildspecs.js';
import { Section } from '../section.js';
import { BUILDSPEC_SCHEMA } from './buildspec-schema.js';
import type { JsonSchema } from './values.js';

const validate = new Ajv({ strict: true, strictTypes: false, allowUnionTypes: true, strictRequired: false }).compile(
  BUILDSPEC_SCHEMA,
);
const CASES = fileURLToPath(new URL('../../../../test/cases/', import.meta.url));

/** As an editor reads the text, with YAML of either version. */
function dataOf(text: string, version: '1.1' | '1.2'): unknown {
  const data: unknown = parse(text, { version, merge: true, logLevel: 'error', stringKeys: true });
  return JSON.parse(JSON.stringify(data) ?? 'null');
}

function mistakes(text: string, version: '1.1' | '1.2'): string[] {
  if (validate(dataOf(text, version))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message ?? ''}`);
}

/** CLEAN: the parser has nothing to say, and the plan can be made (what has no effect in Kilnyard is no matter of form). */
function judge(text: string): 'CLEAN' | 'ODD' | 'WRONG' {
  try {
    const { buildspec, warnings } = parseBuildspec(text);
    compile(buildspec);
    return warnings.length === 0 ? 'CLEAN' : 'ODD';
  } catch (error) {
    if (error instanceof Refusal) return 'WRONG';
    throw error;
  }
}

function checkAgainst(text: string): void {
  const judged = judge(text);
  for (const version of ['1.1', '1.2'] as const) {
    if (judged === 'CLEAN') expect([version, ...mistakes(text, version)]).toEqual([version]);
    if (judged === 'WRONG') expect([version, mistakes(text, version).length > 0]).toEqual([version, true]);
  }
}

describe('cases', () => {
  /** Texts that a reader of YAML makes no data of, so that an editor marks them without a schema. */
  const NO_YAML = ['broken-yaml', 'alias-bomb', 'duplicate-keys-and-unknown-alias'];
  const names = readdirSync(CASES).filter((name) => !NO_YAML.includes(name));

  it.each(names)('%s is to the schema what it is to the parser', (name) => {
    checkAgainst(readFileSync(`${CASES}${name}/buildspec.yml`, 'utf8'));
  });

  it('holds some of both kinds', () => {
    const texts = names.map((name) => readFileSync(`${CASES}${name}/buildspec.yml`, 'utf8'));
    expect(texts.filter((text) => judge(text) === 'CLEAN').length).toBeGreaterThanOrEqual(8);
    expect(texts.filter((text) => judge(text) === 'WRONG').length).toBeGreaterThanOrEqual(3);
  });
});

describe('real buildspecs', () => {
  if (realBuildspecs.length === 0) return skipLoudly('the schema is not held against real buildspecs');
  it.each(realBuildspecs)('$file', ({ text }) => checkAgainst(text));

  it('most are clean', () => {
    expect(realBuildspecs.filter(({ text }) => judge(text) === 'CLEAN').length).toBeGreaterThanOrEqual(30);
  });
});

describe('single values', () => {
  it.each([
    'version: 0.3',
    'version: [0.2]',
    'run-as: -x',
    'run-as: {a: b}',
    'proxy: {logs: maybe}',
    'env: []',
    'env: {shell: zsh}',
    'env: {variables: {1A: x}}',
    'env: {variables: {CODEBUILD_X: x}}',
    'env: {variables: {A: [x]}}',
    'env: {parameter-store: {A: }}',
    'env: {secrets-manager: {A: "s:k:AWSCURRENT:v1"}}',
    'env: {secrets-manager: {A: "s:k::v1:more"}}',
    'env: {secrets-manager: {A: "arn:aws:secretsmanager:eu-west-1:1:secret:s:k:AWSCURRENT:v1"}}',
    'env: {exported-variables: [a b]}',
    'env: {git-credential-helper: 2}',
    'phases: [build]',
    'phases: {build: [make]}',
    'phases: {build: {commands: {a: b}}}',
    'phases: {build: {commands: [{a: b}]}}',
    'phases: {build: {on-failure: STOP}}',
    'phases: {build: {on-failure: RETRY-101}}',
    'phases: {build: {on-failure: RETRY-3-}}',
    'phases: {build: {steps: [{uses: x}]}}',
    'phases: {install: {runtime-versions: {nodejs: }}}',
    'artifacts: {name: x}',
    'artifacts: {files: []}',
    'artifacts: {files: [~]}',
    'artifacts: {secondary-artifacts: {a: {name: x}}}',
    'artifacts: {files: x, secondary-artifacts: {a-b: {files: x}}}',
    'artifacts: {files: [{a: b}]}',
    'cache: {paths: x, action: both}',
    'cache: {paths: x, key: k, fallback-keys: [a, b, c, d, e, f]}',
    'reports: {a: {}}',
    'reports: {a: {files: x, file-format: JUNITT}}',
    'reports: {a: {files: x}, b: {files: x}, c: {files: x}, d: {files: x}, e: {files: x}, f: {files: x}}',
  ])('both refuse %s', (line) => {
    const text = line.startsWith('version') ? line : `version: 0.2\n${line}\n`;
    expect(judge(text)).toBe('WRONG');
    checkAgainst(text);
  });

  it.each([
    'on-failure: RETRY-0',
    'on-failure: Retry-100',
    'on-failure: retry-5xx',
    'on-failure: RETRY-3-time.*out',
    'on-failure: continue',
    'commands: make',
    'commands: [make, 5, true, ~]',
    'run-as: 1000',
    'finally: ',
  ])('both take %s in a phase', (line) => {
    const text = `version: 0.2\nphases: {build: {commands: [a]}, post_build: {${line}}}\n`;
    expect(judge(text)).toBe('CLEAN');
    checkAgainst(text);
  });

  it.each([
    's',
    's:k',
    's::AWSPREVIOUS',
    's:k:AWSCURRENT',
    's:k::v1',
    's:k:AWSCURRENT:',
    'arn:a:b:c:d:e:f:k::v1',
    'arn:a',
  ])('both take the reference %s of a secret', (reference) => {
    const text = `version: 0.2\nenv: {secrets-manager: {A: "${reference}"}}\nphases: {build: {commands: [a]}}\n`;
    expect(judge(text)).toBe('CLEAN');
    checkAgainst(text);
  });

  it('marks unknown keys, which the parser warns of', () => {
    for (const line of ['x: y', 'env: {x: y}', 'phases: {x: }', 'phases: {build: {x: y}}', 'cache: {paths: a, x: y}']) {
      expect([line, mistakes(`version: 0.2\n${line}`, '1.1').length > 0]).toEqual([line, true]);
    }
    expect(mistakes('version: 0.2\nartifacts: {files: a, type: zip}', '1.1')).not.toEqual([]);
    expect(
      mistakes('version: 0.1\nartifacts: {files: a, type: zip}\nenvironment_variables: {plaintext: {A: b}}', '1.1'),
    ).toEqual([]);
  });
});

describe('whatever the data', () => {
  const anything = fc.oneof(
    fc.constantFrom('yes', 'a', '', 'a/', '0.2', 3, true, null, 'JUNITXML'),
    fc.array(fc.constantFrom('a', null, 7), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('A', 'files', 'a-b'), fc.constantFrom('a', null), { maxKeys: 2 }),
  );
  /** Mostly what belongs there. */
  const mostly = <T>(good: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
    fc.oneof({ arbitrary: good, weight: 30 }, { arbitrary: anything, weight: 1 });
  const some = (of: Record<string, fc.Arbitrary<unknown>>, requiredKeys: string[] = []) =>
    mostly(fc.record(of, { requiredKeys }));
  const text = mostly(fc.constantFrom('a', '$V/b', 'x*', 3.1, true));
  const texts = mostly(fc.oneof(fc.array(text, { minLength: 1, maxLength: 3 }), text));
  const yesOrNo = mostly(fc.constantFrom('yes', 'No', true, 'off'));
  const values = mostly(fc.dictionary(fc.constantFrom('A', 'B_1', 'C', 'D', 'e-f'), text, { maxKeys: 2 }));
  const phase = some({
    commands: texts,
    finally: texts,
    'run-as': mostly(fc.constantFrom('root', 'a.b', 1000)),
    'on-failure': mostly(fc.constantFrom('ABORT', 'continue', 'RETRY-3', 'Retry-x', 'RETRY-200')),
  });
  const artifact = { files: texts, 'exclude-paths': texts, 'discard-paths': yesOrNo, name: text };
  const report = {
    files: texts,
    'file-format': mostly(fc.constantFrom('junitxml', 'CloverXml')),
    'discard-paths': yesOrNo,
  };
  const data = fc.record(
    {
      version: mostly(fc.constantFrom(0.2, '0.2', 0.1)),
      'run-as': mostly(fc.constantFrom('builder')),
      env: some({
        shell: mostly(fc.constantFrom('bash', '/bin/sh')),
        variables: values,
        'parameter-store': values,
        'exported-variables': mostly(fc.constantFrom('A', ['B', 'C'], 'AWS_X')),
        'git-credential-helper': yesOrNo,
      }),
      proxy: some({ logs: yesOrNo, 'upload-artifacts': yesOrNo }),
      phases: some({ build: phase, install: phase, post_build: phase }, ['build']),
      artifacts: some({ ...artifact, 'secondary-artifacts': some({ s: some(artifact, ['files']) }) }, ['files']),
      cache: some({ paths: texts, key: text, action: mostly(fc.constantFrom('save', 'Restore')) }, ['paths']),
      reports: some({ a: some(report, ['files']), b: some(report, ['files']) }),
    },
    { requiredKeys: ['version', 'phases'] },
  );

  it('the schema takes what the parser takes without a word', () => {
    let clean = 0;
    fc.assert(
      fc.property(data, (buildspec) => {
        const text = JSON.stringify(buildspec);
        if (judge(text) !== 'CLEAN') return;
        clean += 1;
        expect(mistakes(text, '1.1')).toEqual([]);
      }),
      { numRuns: 3000 }, // about one in nine is clean
    );
    expect(clean).toBeGreaterThan(100);
  });

  it('the parser warns or refuses where the schema does', () => {
    let marked = 0;
    fc.assert(
      fc.property(data, (buildspec) => {
        const text = JSON.stringify(buildspec);
        if (mistakes(text, '1.1').length === 0) return;
        marked += 1;
        expect(judge(text)).not.toBe('CLEAN');
      }),
      { numRuns: 1000 },
    );
    expect(marked).toBeGreaterThan(100);
  });
});

describe('keys', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('are those of the parser, in every section', () => {
    const known = new Map<string, string[]>();
    const inner = Section.prototype.warnUnknown;
    jest.spyOn(Section.prototype, 'warnUnknown').mockImplementation(function (this: Section, keys) {
      known.set(this.field, [...keys].sort());
      inner.call(this, keys);
    });
    const text = [
      'version: 0.1',
      'env: {}',
      'environment_variables: {}',
      'proxy: {}',
      'phases: {install: {}, pre_build: {}, build: {}, post_build: {}}',
      'reports: {r: {files: x}}',
      'artifacts: {files: x, secondary-artifacts: {s: {files: x}}}',
      'cache: {}',
      'batch: {build-list: [{identifier: a}]}',
    ].join('\n');
    parseBuildspec(text);
    expect(known.size).toBeGreaterThanOrEqual(12);
    for (const [field, keys] of known) {
      if (keys.includes('steps')) keys.splice(keys.indexOf('steps'), 1); // known to be refused
      expect([field, Object.keys(propertiesAt(field)).sort()]).toEqual([field, keys]);
    }
  });
});

/** The properties of the schema at a dotted path; any other key of a map leads to its `additionalProperties`. */
function propertiesAt(field: string): JsonSchema {
  let at = BUILDSPEC_SCHEMA;
  for (const part of field.split(/[.[]/).filter((one) => one !== '')) {
    const properties = (at['properties'] ?? {}) as Record<string, JsonSchema>;
    at = part.endsWith(']')
      ? (at['items'] as JsonSchema)
      : (properties[part] ?? (at['additionalProperties'] as JsonSchema));
  }
  return at['properties'] as JsonSchema;
}
