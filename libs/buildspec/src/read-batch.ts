// Reads `batch` (codebuild-contract C9) and writes each kind out as its tasks. A plain build does not use it: there what is wrong with it is
// told as a warning (parse.ts decides), while a batch refuses it.
import { SPEC_GROUP } from '#core/batch.js';
import { BATCH_KINDS, type BatchKind, type BatchSpec, type BatchTask } from './batch-spec.js';
import { checkGraph } from './check-graph.js';
import { excerpt, type Findings } from './findings.js';
import { MAX_BATCH_TASKS } from './limits.js';
import { plainTask, readTaskEnv } from './read-batch-task.js';
import { readMatrix } from './read-matrix.js';
import { Section } from './section.js';
import { says } from './yaml-tree.js';

const IDENTIFIER = /^[A-Za-z0-9_]{1,128}$/;
const TASK_KEYS = ['identifier', 'buildspec', 'debug-session', 'ignore-failure', 'env'];

/**
 * Out: null without the section, and where its kind cannot be told. What is wrong with it is in `findings`, which are those of `top`; with an
 * error among them the tasks are not to be used.
 */
export function readBatch(top: Section, findings: Findings): BatchSpec | null {
  const batch = top.section('batch');
  if (batch === null) return null;
  batch.warnUnknown([...BATCH_KINDS, 'fast-fail']);
  const fastFail = batch.flag('fast-fail');
  const kinds = BATCH_KINDS.filter((kind) => batch.node(kind) !== null);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    top.refuse('batch', `exactly one of ${BATCH_KINDS.join(', ')}`, kinds.length === 0 ? 'none' : kinds.join(', '));
    return null;
  }
  return { kind, fastFail, tasks: readKind(batch, kind, findings) };
}

function readKind(batch: Section, kind: BatchKind, findings: Findings): BatchTask[] {
  switch (kind) {
    case 'build-list':
    case 'build-graph':
      return readTasks(batch, kind, findings);
    case 'build-matrix':
      return readMatrix(batch);
    case 'build-fanout':
      return readFanout(batch);
    default:
      return kind satisfies never;
  }
}

function readTasks(batch: Section, kind: 'build-list' | 'build-graph', findings: Findings): BatchTask[] {
  const list = batch.node(kind);
  if (list?.kind !== 'list' || list.items.length === 0) {
    batch.refuse(
      kind,
      'a list of tasks',
      list === null ? 'nothing' : list.kind === 'list' ? 'an empty list' : says(list),
    );
    return [];
  }
  if (list.items.length > MAX_BATCH_TASKS) {
    batch.refuse(kind, `at most ${MAX_BATCH_TASKS} tasks (MAX_BATCH_TASKS)`, `${list.items.length}`);
    return [];
  }
  const read: { task: BatchTask; section: Section }[] = [];
  list.items.forEach((item, index) => {
    const field = `${batch.path(kind)}[${index}]`;
    findings.note(field, item.place);
    if (item.kind === 'null') return;
    if (item.kind !== 'map') return findings.error(field, 'a task (a map with an identifier)', says(item));
    const section = new Section(field, item, findings);
    section.warnUnknown(kind === 'build-graph' ? [...TASK_KEYS, 'depend-on'] : TASK_KEYS);
    findings.note(section.path('identifier'), item.place); // where one without an identifier is told of
    const task: BatchTask = {
      identifier: section.text('identifier') ?? '',
      buildspec: readBuildspec(section),
      debugSession: section.flag('debug-session'),
      dependOn: kind === 'build-graph' ? [...new Set(section.list('depend-on'))] : [],
      ignoreFailure: section.flag('ignore-failure'),
      env: readTaskEnv(section),
      shard: null,
      place: item.place,
    };
    read.push({ task, section });
  });
  if (checkIdentifiers(read)) checkGraph(read);
  return read.map(({ task }) => task);
}

/** Out: whether each has its own. */
function checkIdentifiers(read: { task: BatchTask; section: Section }[]): boolean {
  const seen = new Set<string>();
  for (const { task, section } of read) {
    const { identifier } = task;
    if (!IDENTIFIER.test(identifier)) {
      section.refuse('identifier', 'letters, digits and _, at most 128', excerpt(identifier) || 'nothing');
    } else if (identifier === SPEC_GROUP) {
      section.refuse('identifier', `another name than ${SPEC_GROUP}, which is the batch's own`, identifier);
    } else if (seen.has(identifier)) {
      section.refuse('identifier', 'an identifier only once', identifier);
    }
    seen.add(identifier);
  }
  return seen.size === read.length;
}

/** An empty text is as good as none (codebuild-contract C1). */
function readBuildspec(task: Section): string | null {
  const text = task.text('buildspec');
  return text === '' ? null : text;
}

function readFanout(batch: Section): BatchTask[] {
  const fanout = batch.section('build-fanout');
  if (fanout === null) return [];
  fanout.warnUnknown(['parallelism', 'ignore-failure']);
  const ignoreFailure = fanout.flag('ignore-failure');
  const text = fanout.text('parallelism');
  const count = /^[0-9]{1,9}$/.test(text ?? '') ? Number(text) : 0;
  if (count < 1 || count > MAX_BATCH_TASKS) {
    fanout.refuse('parallelism', `a number from 1 to ${MAX_BATCH_TASKS} (MAX_BATCH_TASKS)`, excerpt(text ?? 'nothing'));
    return [];
  }
  return Array.from({ length: count }, (_, index) => ({
    ...plainTask(index, ignoreFailure, batch),
    shard: { index, count },
  }));
}
