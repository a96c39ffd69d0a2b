// The graph of a batch in short: its kind, and its tasks with what each waits for (codebuild-contract C9).
import type { BatchKind, BatchSpec } from './batch-spec.js';

export interface BatchSummary {
  kind: BatchKind;
  tasks: { identifier: string; dependOn: string[] }[];
}

export function summarizeBatch(batch: BatchSpec | null): BatchSummary | null {
  if (batch === null) return null;
  return { kind: batch.kind, tasks: batch.tasks.map(({ identifier, dependOn }) => ({ identifier, dependOn })) };
}
