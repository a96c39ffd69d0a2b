// Keeps `batch` as data and looks it over lightly (codebuild-contract C9). A plain build does not use it, so nothing here is more than a
// warning; who runs a batch checks it in full.
import { excerpt } from './findings.js';
import type { YamlData } from './buildspec.js';
import type { Section } from './section.js';
import { says, type YamlNode } from './yaml-tree.js';

const KINDS = ['build-list', 'build-graph', 'build-matrix', 'build-fanout'];
const IDENTIFIER = /^[A-Za-z0-9_]{1,128}$/;

/** Out: the section with every scalar as its source text, or null without one. */
export function readBatch(top: Section): YamlData {
  const node = top.node('batch');
  if (node === null) return null;
  if (node.kind !== 'map') {
    top.warn('batch', 'a map', says(node));
    return dataOf(node);
  }
  const batch = top.section('batch');
  if (batch !== null) checkBatch(top, batch);
  return dataOf(node);
}

function checkBatch(top: Section, batch: Section): void {
  batch.warnUnknown([...KINDS, 'fast-fail']);
  const kinds = KINDS.filter((kind) => batch.node(kind) !== null);
  if (kinds.length !== 1) {
    top.warn('batch', `exactly one of ${KINDS.join(', ')}`, kinds.length === 0 ? 'none' : kinds.join(', '));
  }
  for (const kind of ['build-list', 'build-graph']) {
    const tasks = batch.node(kind);
    if (tasks?.kind === 'list') checkTasks(batch, kind, tasks.items);
    else if (tasks) batch.warn(kind, 'a list of tasks', says(tasks));
  }
}

/** An identifier must be well formed and new; a task depends only on tasks of its list (real files name later ones too). */
function checkTasks(batch: Section, kind: string, tasks: YamlNode[]): void {
  const field = (task: YamlNode, name: string) => (task.kind === 'map' ? task.entries.get(name)?.value : undefined);
  const identifiers = new Set<string>();
  for (const task of tasks) {
    const identifier = field(task, 'identifier');
    if (identifier?.kind !== 'text' || !IDENTIFIER.test(identifier.text)) {
      batch.warn(kind, 'an identifier of letters, digits and _ for every task', says(identifier ?? task));
    } else if (identifiers.has(identifier.text)) {
      batch.warn(kind, 'an identifier only once', excerpt(identifier.text));
    } else {
      identifiers.add(identifier.text);
    }
  }
  for (const task of tasks) {
    const depends = field(task, 'depend-on');
    for (const on of depends?.kind === 'list' ? depends.items : []) {
      if (on.kind !== 'text' || !identifiers.has(on.text)) {
        batch.warn(kind, 'depend-on to name tasks of the list', says(on));
      }
    }
  }
}

function dataOf(node: YamlNode): YamlData {
  if (node.kind === 'text') return node.text;
  if (node.kind === 'null') return null;
  if (node.kind === 'list') return node.items.map(dataOf);
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, dataOf(value)]));
}
