// Reads `batch.build-matrix`: the product of all lists under `dynamic`, each with what `static` says (codebuild-contract C9).
import type { BatchTask, BatchTaskEnv } from './batch-spec.js';
import { isVariableName } from './check.js';
import { MAX_BATCH_TASKS } from './limits.js';
import { plainTask, readTaskEnv, TASK_ENV_KEYS } from './read-batch-task.js';
import type { Section } from './section.js';

/** One list of the matrix, and what one of its values does to a task. */
interface Axis {
  values: string[];
  apply: (task: BatchTask, value: string) => BatchTask;
}

const ENV_AXES = { 'compute-type': 'computeType', fleet: 'fleet', image: 'image', type: 'type' } as const;

/** Out: the tasks in the order of the product, the last list varying fastest: buildspec, compute-type, fleet, image, type, variables. */
export function readMatrix(batch: Section): BatchTask[] {
  const matrix = batch.section('build-matrix');
  if (matrix === null) return [];
  matrix.warnUnknown(['static', 'dynamic']);
  const fixed = matrix.section('static');
  fixed?.warnUnknown(['ignore-failure', 'debug-session', 'env']);
  const base: BatchTask = {
    ...plainTask(0, fixed?.flag('ignore-failure') ?? false, matrix),
    debugSession: fixed?.flag('debug-session') ?? false,
  };
  if (fixed !== null) base.env = readTaskEnv(fixed);
  const axes = readAxes(matrix);
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  if (axes.length === 0) matrix.refuse('dynamic', 'one list at least', 'none');
  if (count > MAX_BATCH_TASKS) {
    matrix.refuse(
      'dynamic',
      `at most ${MAX_BATCH_TASKS} combinations (MAX_BATCH_TASKS)`,
      count > 1e6 ? 'over a million' : `${count}`,
    );
    return [];
  }
  const tasks = axes.reduce(
    (all, { values, apply }) => all.flatMap((task) => values.map((value) => apply(task, value))),
    [base],
  );
  if (tasks.some(({ env }) => env.fleet !== null && env.computeType !== null))
    matrix.refuse('dynamic', 'either compute-type or fleet', 'both');
  return tasks.map((task, index) => ({ ...task, identifier: `build${index}` }));
}

function readAxes(matrix: Section): Axis[] {
  const dynamic = matrix.section('dynamic');
  if (dynamic === null) return [];
  dynamic.warnUnknown(['buildspec', 'env']);
  const axes: Axis[] = [];
  const add = (section: Section, key: string, apply: Axis['apply']): void => {
    if (section.node(key) === null) return;
    const values = [...new Set(section.list(key))];
    if (values.length === 0) section.refuse(key, 'one value at least', 'an empty list');
    else axes.push({ values, apply });
  };
  const withEnv = (task: BatchTask, env: Partial<BatchTaskEnv>): BatchTask => ({
    ...task,
    env: { ...task.env, ...env },
  });
  add(dynamic, 'buildspec', (task, buildspec) => ({ ...task, buildspec }));
  const env = dynamic.section('env');
  if (env === null) return axes;
  env.warnUnknown(TASK_ENV_KEYS.filter((key) => key !== 'privileged-mode'));
  for (const [key, name] of Object.entries(ENV_AXES)) {
    add(env, key, (task, value) => withEnv(task, { [name]: value }));
  }
  const variables = env.section('variables');
  for (const name of variables?.keys ?? []) {
    if (!isVariableName(name)) variables!.refuse(name, 'a name that a variable may have', name.slice(0, 80));
    const others = (task: BatchTask) => task.env.variables.filter((one) => one.name !== name);
    add(variables!, name, (task, value) => withEnv(task, { variables: [...others(task), { name, value }] }));
  }
  return axes;
}
