// What a run says at its end. Pure.
import type { BuildKind, FaultKind } from './kinds.js';
import { BUILD_KINDS, FAULT_KINDS } from './kinds.js';
import type { Findings } from './findings.js';

export interface Outcome {
  seed: number;
  seconds: number;
  builds: readonly { kind: BuildKind; status: string }[];
  /** Builds that the full disk ended. */
  endedByFullDisk: number;
  faults: readonly { kind: FaultKind; injected: boolean }[];
  findings: Findings;
  probe: { answers: number; away: number };
  /** Of attempts, by how they came to theirs. */
  containers: { waited: number; made: number };
}

/** The table, and below it every violation. The last line says `losses: 0`, or how many. */
export function reportOf({
  seed,
  seconds,
  builds,
  endedByFullDisk,
  faults,
  findings,
  probe,
  containers,
}: Outcome): string {
  const rows = (title: string, names: readonly string[], count: (name: string) => string): string[] => [
    title,
    ...names
      .map((name) => [name, count(name)] as const)
      .filter(([, text]) => text !== '')
      .map(([name, text]) => `  ${name.padEnd(18)}${text}`),
  ];
  const lines = [
    `seed ${seed}, ${seconds} s`,
    ...rows(`builds: ${builds.length}`, BUILD_KINDS, (kind) => {
      const statuses = builds.filter((build) => build.kind === kind).map(({ status }) => status);
      return tally(statuses);
    }),
    ...rows(`faults: ${faults.filter(({ injected }) => injected).length} of ${faults.length}`, FAULT_KINDS, (kind) => {
      const ours = faults.filter((fault) => fault.kind === kind);
      return ours.length === 0 ? '' : `${ours.filter(({ injected }) => injected).length} of ${ours.length}`;
    }),
    `the full disk ended ${endedByFullDisk} builds`,
    `containers: ${containers.waited} had waited, ${containers.made} were made for their build`,
    `the API was asked ${probe.answers + probe.away} times in passing, and was away ${probe.away} times`,
    `verified: ${findings.all.length}`,
    ...findings.violations.map(({ name, wrong }) => `VIOLATION  ${name}: ${wrong}`),
    `losses: ${findings.violations.length}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** `3 SUCCEEDED, 1 FAULT`. */
function tally(words: readonly string[]): string {
  const names = [...new Set(words)].sort();
  return names.map((name) => `${words.filter((word) => word === name).length} ${name}`).join(', ');
}
