// What tasks of every kind of batch share: their environment, and what they are before anything is said of it.
import type { BatchTask, BatchTaskEnv } from './batch-spec.js';
import { isVariableName } from './check.js';
import { excerpt } from './findings.js';
import type { Section } from './section.js';

export const TASK_ENV_KEYS = ['compute-type', 'fleet', 'image', 'privileged-mode', 'type', 'variables'];

export function readTaskEnv(task: Section): BatchTaskEnv {
  const env = task.section('env');
  env?.warnUnknown(TASK_ENV_KEYS);
  const read: BatchTaskEnv = {
    computeType: env?.text('compute-type') ?? null,
    fleet: env?.text('fleet') ?? null,
    image: env?.text('image') ?? null,
    privilegedMode: env === null || env.node('privileged-mode') === null ? null : env.flag('privileged-mode'),
    type: env?.text('type') ?? null,
    variables: env === null ? [] : readVariables(env),
  };
  if (read.fleet !== null && read.computeType !== null) env?.refuse('fleet', 'either compute-type or fleet', 'both');
  return read;
}

/** Real files have variables that no shell can hold; CodeBuild runs their tasks all the same. */
function readVariables(env: Section): BatchTaskEnv['variables'] {
  const variables = env.pairs('variables');
  const section = variables.length === 0 ? null : env.section('variables');
  return variables.filter(({ name }) => {
    const fits = isVariableName(name);
    if (!fits) section?.warn(name, 'a name that a variable may have', `${excerpt(name)}; it is left out`);
    return fits;
  });
}

/** A task of a matrix or a fan-out before anything is said of its environment. */
export function plainTask(index: number, ignoreFailure: boolean, batch: Section): BatchTask {
  return {
    identifier: `build${index}`,
    buildspec: null,
    debugSession: false,
    dependOn: [],
    ignoreFailure,
    env: { computeType: null, fleet: null, image: null, privilegedMode: null, type: null, variables: [] },
    shard: null,
    place: batch.place,
  };
}
