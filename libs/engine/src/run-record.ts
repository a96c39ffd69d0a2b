// What a worker keeps of a run beside its sandbox, for whoever adopts it: all that cannot be read again once the script runs, because
// the workspace is the build's to change, and parameters and secrets may have been given other values meanwhile.
// It holds secrets: the RecordSeal port makes it unreadable on the disk.
import { z } from 'zod';
import type { BuildPlan } from '#buildspec/plan.js';
import type { CacheUse } from '#core/build.js';
import { Fault, messageOf } from '#core/errors.js';
import type { PhaseContext } from '#core/phase.js';
import type { BuildRun, PreparedSource } from './build-run.js';
import type { LostBefore } from './logs/pipeline.js';

/** Raised when the form changes in a way that older workers cannot read; a worker reads its own and earlier ones. */
const VERSION = 1;

export interface RunRecord {
  source: PreparedSource;
  /** Everything that the log masks. */
  secrets: string[];
  cacheUse: CacheUse | null;
  /** Set once a log over its limit has let output go. */
  lost: LostBefore | null;
  /** The fault that ended the build, where that could not be written down. */
  fault: PhaseContext | null;
}

/** Only the frame is checked: what is inside was sealed by a worker of this Kilnyard. */
const frame = z.object({
  version: z.literal(VERSION),
  plan: z.custom<BuildPlan>((value) => typeof value === 'object' && value !== null),
  sourceDir: z.string(),
  expansions: z.array(z.string()),
  sealedVariables: z.array(z.string()),
  secrets: z.array(z.string()),
  cacheUse: z.custom<CacheUse>().nullable(),
  // an older worker knew of no keys
  cacheKey: z.string().nullable().default(''),
  lost: z.custom<LostBefore>().nullable(),
  // an older worker's record has none, and an older worker passes it over
  fault: z.custom<PhaseContext>().nullable().default(null),
});

/** Errors: what the sandbox throws. */
export async function keepRecord(run: BuildRun, fault: PhaseContext | null = null): Promise<void> {
  const { plan, sourceDir, expansions, sealedVariables, cacheKey } = run.source!;
  const record: z.input<typeof frame> = {
    version: VERSION,
    plan,
    sourceDir,
    expansions,
    sealedVariables: [...sealedVariables],
    secrets: run.log.secrets,
    cacheUse: run.cacheUse,
    cacheKey,
    lost: run.lost,
    fault,
  };
  await run.sandbox!.keep(run.ports.recordSeal.seal(JSON.stringify(record)));
}

/** Out: null when none was kept. Errors: Fault INTERNAL for one that cannot be read: another master key, another version, damage. */
export async function readRecord(run: BuildRun): Promise<RunRecord | null> {
  const sealed = await run.sandbox!.kept();
  if (sealed === null) return null;
  try {
    const record = frame.parse(JSON.parse(run.ports.recordSeal.open(sealed)));
    const { plan, sourceDir, expansions, cacheKey } = record;
    const sealedVariables = new Set(record.sealedVariables);
    return { ...record, source: { plan, sourceDir, expansions, sealedVariables, cacheKey } };
  } catch (cause) {
    throw new Fault('INTERNAL', `the record of the run cannot be read: ${messageOf(cause)}`, { cause });
  }
}
