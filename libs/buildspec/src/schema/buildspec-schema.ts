// The buildspec as a JSON Schema (draft-07, what editors of YAML read). The parser decides what a buildspec is; this is its shape for
// completion and marks while typing. A test holds the two together. What it cannot say (names in two maps, tasks that depend on none of
// the list, limits on the whole text), only the parser says.
import { PHASE_NAMES, RUNTIMES } from '../buildspec.js';
import { batchSchema } from './batch-schema.js';
import { artifactsSchema, cacheSchema, reportsSchema } from './files-schema.js';
import { envSchema, valuesSchema } from './env-schema.js';
import { caseless, flag, section, text, texts, type JsonSchema } from './values.js';

/** ON_FAILURE of a phase: on-failure.ts as one expression. */
const ON_FAILURE = [
  `^(${caseless('abort')}|${caseless('continue')}|${caseless('retry')})$`,
  `^${caseless('retry')}-(0*([0-9]{1,2}|100)(-[\\s\\S]+)?|(?![0-9]+(-|$))[\\s\\S]+)$`,
].join('|');

const runAs: JsonSchema = {
  ...text('The Linux user that runs the commands; default: root. A phase’s own wins.'),
  pattern: '^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$',
};
const version = (digit: string): JsonSchema => ({
  anyOf: [{ const: Number(`0.${digit}`) }, { type: 'string', pattern: `^\\s*0\\.${digit}0*\\s*$` }],
});

function phase(name: string): JsonSchema {
  const about = `The ${name} phase. Phases run in the order install, pre_build, build, post_build, whatever the order of the text.`;
  const runtimeVersions = section(
    'Versions of languages that the image is to offer.',
    Object.fromEntries(
      RUNTIMES.map((runtime) => [
        runtime,
        { type: ['string', 'number', 'boolean'], minLength: 1, description: `The version of ${runtime}.` },
      ]),
    ),
  );
  return section(about, {
    commands: texts('Commands, each of one line or several. The first that fails ends the list.'),
    finally: texts('Commands that run after `commands`, whether those failed or not.'),
    'run-as': runAs,
    'on-failure': {
      ...text(
        'What follows when the phase fails: ABORT, CONTINUE, RETRY, RETRY-<count>, RETRY-<regex>, RETRY-<count>-<regex>.',
      ),
      pattern: ON_FAILURE,
      examples: ['ABORT', 'CONTINUE', 'RETRY', 'RETRY-3', 'RETRY-2-.*timed out.*'],
    },
    ...(name === 'install' ? { 'runtime-versions': runtimeVersions } : {}),
  });
}

export const BUILDSPEC_SCHEMA: JsonSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'urn:kilnyard:buildspec',
  title: 'Buildspec',
  description: 'What a build does, in AWS CodeBuild’s format, versions 0.2 and 0.1, as Kilnyard reads it.',
  type: 'object',
  required: ['version'],
  additionalProperties: false,
  properties: {
    version: { description: '0.2 or 0.1, quoted or not.', anyOf: [version('2'), version('1')], default: 0.2 },
    'run-as': runAs,
    env: envSchema(),
    environment_variables: section('Variables in version 0.1; `env.variables` in 0.2.', {
      plaintext: valuesSchema('Name and plain value.'),
    }),
    proxy: section('Whether these go through the proxy of HTTP_PROXY and HTTPS_PROXY. No effect in Kilnyard.', {
      'upload-artifacts': flag('Artifacts; default: no.'),
      logs: flag('Logs; default: no.'),
    }),
    batch: batchSchema(),
    phases: section('What runs, in four phases.', Object.fromEntries(PHASE_NAMES.map((name) => [name, phase(name)]))),
    reports: reportsSchema(),
    artifacts: artifactsSchema(),
    cache: cacheSchema(),
  },
  if: { properties: { version: version('2') } },
  then: { properties: { environment_variables: false, artifacts: { properties: { type: false } } } },
};
