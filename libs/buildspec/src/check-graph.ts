// A batch's graph: every task depends on tasks that are there, and none on itself, be it by way of others.
import type { BatchTask } from './batch-spec.js';
import { excerpt } from './findings.js';
import type { Section } from './section.js';

/** How many tasks of a circle a finding names. */
const MAX_NAMED = 10;

interface ReadTask {
  task: BatchTask;
  section: Section;
}

/** In: unique identifiers. One finding for each name that is unknown, and one for each circle, at the task of it that stands first. */
export function checkGraph(read: readonly ReadTask[]): void {
  const known = new Set(read.map(({ task }) => task.identifier));
  for (const { task, section } of read) {
    for (const name of task.dependOn.filter((one) => !known.has(one))) {
      section.refuse('depend-on', 'identifiers of tasks of the list', excerpt(name));
    }
  }
  let rest = [...read];
  for (let waiting = waitsForEver(rest); waiting.length > 0; waiting = waitsForEver(rest)) {
    const circle = circleAmong(waiting);
    const [first] = circle;
    const names = circle.slice(0, MAX_NAMED).map(({ task }) => task.identifier);
    const more = circle.length > MAX_NAMED ? ['…'] : [];
    first!.section.refuse('depend-on', 'no circle', [...names, ...more, names[0]].join(' -> '));
    rest = rest.filter((one) => !circle.includes(one));
  }
}

/** Those that never have behind them all that they depend on within the list: they stand in a circle, or behind one. In order. */
function waitsForEver(read: readonly ReadTask[]): ReadTask[] {
  const known = new Set(read.map(({ task }) => task.identifier));
  const waits = new Map<string, number>();
  const dependants = new Map<string, string[]>();
  for (const { task } of read) {
    const within = task.dependOn.filter((on) => known.has(on));
    waits.set(task.identifier, within.length);
    for (const on of within) dependants.set(on, [...(dependants.get(on) ?? []), task.identifier]);
  }
  const ready = [...known].filter((name) => waits.get(name) === 0);
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const one of dependants.get(next) ?? []) {
      const left = waits.get(one)! - 1;
      waits.set(one, left);
      if (left === 0) ready.push(one);
    }
  }
  return read.filter(({ task }) => waits.get(task.identifier)! > 0);
}

/** In: tasks that each depend on another of them. Walks until it meets one again. Out: the circle, its first task of the list first. */
function circleAmong(waiting: readonly ReadTask[]): ReadTask[] {
  const byName = new Map(waiting.map((one) => [one.task.identifier, one]));
  const path: ReadTask[] = [];
  let at = waiting[0]!;
  while (!path.includes(at)) {
    path.push(at);
    at = byName.get(at.task.dependOn.find((on) => byName.has(on))!)!;
  }
  const circle = path.slice(path.indexOf(at));
  const first = circle.indexOf(waiting.find((one) => circle.includes(one))!);
  return [...circle.slice(first), ...circle.slice(0, first)];
}
