// What a buildspec's `batch` says, as plain JSON data: every kind written out as its tasks (codebuild-contract C9).
import type { NamedValue } from './buildspec.js';
import type { Place } from './findings.js';

export const BATCH_KINDS = ['build-list', 'build-graph', 'build-matrix', 'build-fanout'] as const;
export type BatchKind = (typeof BATCH_KINDS)[number];

/** What a task asks for beside the project's environment; null: what the project says. Words as written, unchecked. */
export interface BatchTaskEnv {
  computeType: string | null;
  fleet: string | null;
  image: string | null;
  privilegedMode: boolean | null;
  type: string | null;
  variables: NamedValue[];
}

export interface BatchTask {
  /** Letters, digits and `_`; of a matrix or fan-out `build0`, `build1` … in order. */
  identifier: string;
  /** Path or text; null: the batch's own buildspec. */
  buildspec: string | null;
  debugSession: boolean;
  /** Identifiers; only in a graph. */
  dependOn: string[];
  ignoreFailure: boolean;
  env: BatchTaskEnv;
  /** Which part of a fan-out it is, `index` from 0. */
  shard: { index: number; count: number } | null;
  /** Where it stands in the text. */
  place: Place;
}

export interface BatchSpec {
  kind: BatchKind;
  fastFail: boolean;
  /** One at least; none depends on itself, be it by way of others. */
  tasks: BatchTask[];
}
