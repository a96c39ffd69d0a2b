// The graph of a batch in short: its kind, and its tasks with what each waits for (codebuild-contract C9).
import type { YamlData } from './buildspec.js';

export const BATCH_KINDS = ['build-list', 'build-graph', 'build-matrix', 'build-fanout'] as const;

export interface BatchSummary {
  kind: (typeof BATCH_KINDS)[number];
  /** In the order of the text; of a matrix and a fan-out `build0`, `build1` … */
  tasks: { identifier: string; dependOn: string[] }[];
}

/** More builds than this are no batch; also of a product or a number that somebody mistyped. */
const MAX_TASKS = 1000;

/** Out: null without a batch, and where its kind cannot be told. */
export function summarizeBatch(batch: YamlData): BatchSummary | null {
  const data = mapOf(batch);
  const kind = BATCH_KINDS.find((name) => Object.hasOwn(data, name) && data[name] !== null);
  if (kind === undefined) return null;
  const tasks = data[kind];
  if (kind === 'build-list' || kind === 'build-graph') {
    const graph = kind === 'build-graph';
    return { kind, tasks: listOf(tasks).map((task) => taskOf(mapOf(task), graph)) };
  }
  const count = kind === 'build-matrix' ? combinations(mapOf(tasks)) : Number(mapOf(tasks)['parallelism']);
  const length = Number.isSafeInteger(count) && count > 0 ? Math.min(count, MAX_TASKS) : 0;
  return { kind, tasks: Array.from({ length }, (_, index) => ({ identifier: `build${index}`, dependOn: [] })) };
}

function taskOf(task: Record<string, YamlData>, graph: boolean): BatchSummary['tasks'][number] {
  return { identifier: textOf(task['identifier']), dependOn: graph ? listOf(task['depend-on']).map(textOf) : [] };
}

/** Of all lists under `dynamic`. */
function combinations(matrix: Record<string, YamlData>): number {
  const { buildspec, env } = mapOf(matrix['dynamic']);
  const { variables, ...others } = mapOf(env);
  const lists = [buildspec, ...Object.values(others), ...Object.values(mapOf(variables))].map(listOf);
  return lists.filter((list) => list.length > 0).reduce((product, list) => product * list.length, 1);
}

function mapOf(data: YamlData | undefined): Record<string, YamlData> {
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? data : {};
}

/** A single text is a list of one; null items are none. */
function listOf(data: YamlData | undefined): YamlData[] {
  if (typeof data === 'string') return [data];
  return Array.isArray(data) ? data.filter((item) => item !== null) : [];
}

function textOf(data: YamlData | undefined): string {
  return typeof data === 'string' ? data : '';
}
