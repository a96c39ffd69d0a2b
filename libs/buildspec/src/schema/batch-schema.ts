// `batch` in the buildspec's schema.
import { BATCH_KINDS } from '../batch-spec.js';
import { flag, section, text, texts, type JsonSchema } from './values.js';

const VALUE: JsonSchema = { type: ['string', 'number', 'boolean', 'null'] };
const identifier: JsonSchema = {
  description: 'Name of the task: letters, digits and _.',
  type: ['string', 'number'],
  pattern: '^[A-Za-z0-9_]{1,128}$',
};

const taskEnv = section('What differs from the project’s environment.', {
  'compute-type': text('Compute type; not together with fleet.'),
  fleet: text('Fleet; not together with compute-type.'),
  image: text('Image.'),
  'privileged-mode': flag('Privileged mode.'),
  type: text('Environment type.'),
  variables: {
    description: 'Variables that override those of the buildspec.',
    type: ['object', 'null'],
    additionalProperties: VALUE,
  },
});

function tasks(description: string, more: Record<string, JsonSchema>): JsonSchema {
  const task = section(
    'A task.',
    {
      identifier,
      buildspec: text('Path of the task’s buildspec; default: this one.'),
      'debug-session': flag('Let codebuild-breakpoint pause the task’s build.'),
      'ignore-failure': flag('A failure of the task does not fail the batch.'),
      env: taskEnv,
      ...more,
    },
    { required: ['identifier'] },
  );
  return { description, type: ['array', 'null'], items: task };
}

function matrix(): JsonSchema {
  const lists: Record<string, JsonSchema> = {
    'compute-type': texts('Compute types.'),
    fleet: texts('Fleets.'),
    image: texts('Images.'),
    type: texts('Environment types.'),
    variables: {
      description: 'Lists of values, by variable.',
      type: ['object', 'null'],
      additionalProperties: texts('Values.'),
    },
  };
  return section('A task for each combination.', {
    static: section('What all tasks share.', {
      'ignore-failure': flag('Failures do not fail the batch.'),
      'debug-session': flag('Let codebuild-breakpoint pause the builds.'),
      env: taskEnv,
    }),
    dynamic: section('Lists, whose product the tasks are.', {
      buildspec: texts('Paths of buildspecs.'),
      env: section('Lists of what differs.', lists),
    }),
  });
}

export function batchSchema(): JsonSchema {
  const kinds: Record<(typeof BATCH_KINDS)[number], JsonSchema> = {
    'build-list': tasks('Tasks that run side by side.', {}),
    'build-graph': tasks('Tasks that wait for others.', {
      'depend-on': texts('Identifiers of the tasks that this one waits for.'),
    }),
    'build-matrix': matrix(),
    'build-fanout': section('One task several times.', {
      parallelism: { description: 'How many times.', type: ['integer', 'string'], minimum: 1, pattern: '^[0-9]+$' },
      'ignore-failure': flag('Failures do not fail the batch.'),
    }),
  };
  return section(
    'Several builds as one: exactly one of the four kinds.',
    { ...kinds, 'fast-fail': flag('The first failure stops the others.') },
    { oneOf: BATCH_KINDS.map((kind) => ({ required: [kind] })) },
  );
}
