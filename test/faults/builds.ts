// The builds of a run: what each does, and what must be known of it at its end, byte for byte. Pure.
import { specOf } from '#testing/house-client.js';
import type { FaultCode } from '#core/errors.js';
import type { FinalStatus } from '#core/phase.js';
import type { PlannedBuild } from './plan.js';
import { SHAPES, type Act, type Extent } from './shapes.js';

export interface BuildCase extends PlannedBuild {
  project: string;
  /** Body of POST /v1/projects. */
  settings: Record<string, unknown>;
  /** Where the API does not let a user go: minutes, below its least. */
  timeoutMinutes: number | null;
  /** The user stops it when so many of its lines are out, in percent. */
  stopAtPercent: number | null;
  /** Parameter that must be OPEN for an attempt to end by itself. */
  gate: string | null;
  expected: Expected;
}

export interface Expected {
  statuses: readonly FinalStatus[];
  /** All lines of its own output but the system's; the first is RUN_LINE. */
  output: readonly string[];
  extent: Extent;
  /** Code of the fault that ended it; null for none, or for any. */
  faultCode: FaultCode | null;
  /** Attempts that were killed before the last. */
  killedAttempts: number;
  /** Files of its artifact by path. */
  files: ReadonlyMap<string, string>;
}

/** A build's first line: an id that each run of its commands draws anew. Two of them in one log are two runs. */
export const RUN_COMMAND = `printf 'run %s\\n' "$(cat /proc/sys/kernel/random/uuid)"`;
export const RUN_LINE = 'run <id>';
const RUN = /^run [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The line with what is random in it taken out. */
export function comparable(line: string): string {
  return RUN.test(line) ? RUN_LINE : line;
}

/** The build of a plan's line. `image`: one with a POSIX shell and awk. */
export function buildCase(planned: PlannedBuild, image: string): BuildCase {
  const shape = SHAPES[planned.kind](planned);
  const first = Object.keys(shape.phases)[0];
  const run: Act = { command: RUN_COMMAND, prints: [RUN_LINE] };
  const acts = Object.entries(shape.phases).map(
    ([phase, list]) => [phase, phase === first ? [run, ...list] : list] as const,
  );
  const files = new Map(Object.entries(shape.files ?? {}));
  return {
    ...planned,
    project: `faults-${planned.kind}-${planned.number}`,
    settings: {
      source: {
        type: 'NO_SOURCE',
        buildspec: specOf(
          Object.fromEntries(acts.map(([phase, list]) => [phase, list.map(({ command }) => command)])),
          shape.rest,
        ),
      },
      environment: { image },
      ...(shape.autoRetryLimit === undefined ? {} : { autoRetryLimit: shape.autoRetryLimit }),
      artifacts: { type: files.size > 0 ? 'S3' : 'NO_ARTIFACTS', ...(files.size > 0 ? { packaging: 'ZIP' } : {}) },
    },
    timeoutMinutes: shape.timeoutMinutes ?? null,
    stopAtPercent: shape.stopAtPercent ?? null,
    gate: shape.gate ?? null,
    expected: {
      statuses: shape.statuses ?? ['SUCCEEDED'],
      output: acts.flatMap(([, list]) => list.flatMap(({ prints }) => prints)),
      extent: shape.extent ?? 'whole',
      faultCode: shape.faultCode ?? null,
      killedAttempts: shape.autoRetryLimit ?? 0,
      files,
    },
  };
}
