// `env` in the buildspec's schema.
import { flag, section, texts, type JsonSchema } from './values.js';

const NAME = '^(?!CODEBUILD_)[A-Za-z_][A-Za-z0-9_]*$|^CODEBUILD_CONFIG_AUTO_DISCOVER(_DIR)?$';
const REFERENCE: JsonSchema = { type: ['string', 'number', 'boolean'], minLength: 1 };

/** An ARN has seven parts itself; a stage and a version exclude each other. */
const SECRET = '^(arn(:[^:]*){0,6}|(?!arn:)[^:]*)(:[^:]*(:([^:]*:?|:[^:]*))?)?$';

/** A map of names of variables to plain values. */
export function valuesSchema(description: string): JsonSchema {
  return map(description, { type: ['string', 'number', 'boolean', 'null'] });
}

export function envSchema(): JsonSchema {
  return section('Shell and variables.', {
    shell: {
      description: 'The shell that runs the commands; default: sh.',
      enum: ['bash', '/bin/bash', 'sh', '/bin/sh', null],
    },
    variables: valuesSchema('Name and plain value. Values are literal: nothing is expanded.'),
    'parameter-store': map('Name, and the parameter that holds the value.', REFERENCE),
    'secrets-manager': map('Name, and `<secret>[:<json-key>[:<stage>[:<version-id>]]]`.', {
      ...REFERENCE,
      pattern: SECRET,
    }),
    'exported-variables': texts('Names whose values the build shows at its end.', {
      pattern: '^(?!AWS_)[A-Za-z_][A-Za-z0-9_]*$',
    }),
    'git-credential-helper': flag('Gives Git the credentials of the source.'),
  });
}

function map(description: string, value: JsonSchema): JsonSchema {
  return { description, type: ['object', 'null'], propertyNames: { pattern: NAME }, additionalProperties: value };
}
