// What a run does, out of its seed: which builds it starts, and at which point of which build each fault comes. Pure.
import type { BuildKind, FaultKind } from './kinds.js';
import { Random } from './random.js';

/** How many workers a run has; they share one engine and one data folder. */
export const WORKERS = 2;

export interface PlannedBuild {
  /** From 1, in the order of their starts. */
  number: number;
  kind: BuildKind;
  /** Of its lines; also tells variants of a kind apart. */
  seed: number;
}

export interface PlannedFault {
  number: number;
  kind: FaultKind;
  /** Comes when this build has logged so much of its output, or has ended. */
  when: { build: number; percent: number };
  /** Which worker, for the kinds that strike one. */
  worker: number;
  /** How long what is taken away stays away. */
  forMs: number;
}

export interface Plan {
  seed: number;
  builds: PlannedBuild[];
  faults: PlannedFault[];
}

export interface PlanRequest {
  seed: number;
  /** Builds without those of OWN_BUILDS, which come with their faults. */
  builds: number;
  faults: number;
  kinds: readonly FaultKind[];
  /** Longest outage; in the bounded form short, else 60 s. */
  maxOutageMs: number;
}

/** Each kind once in a round, so that a run of any size shows as many as it can. `long` twice: it meets most faults. */
const ROUND: readonly BuildKind[] = [
  'long',
  'quiet',
  'chatty',
  'bursts',
  'unfinished',
  'secret',
  'failing',
  'timed-out',
  'stopped',
  'artifact',
  'phases',
  'long',
];
const MIN_OUTAGE_MS = 1_000;
/** Faults that have a build of their own, which they may harm, and between which points of it they come, in percent. */
const OWN_BUILDS: Partial<Record<FaultKind, { build: BuildKind; from: number; to: number }>> = {
  'kill-container': { build: 'victim', from: 5, to: 95 },
  'kill-attempt': { build: 'retried', from: 5, to: 95 },
  'full-disk': { build: 'writer', from: 3, to: 12 },
  garbage: { build: 'vandal', from: 5, to: 60 },
};
const OTHERS = { from: 5, to: 95 };

/** Is a build of that kind there for one fault alone? */
export function hasItsFault(kind: BuildKind): boolean {
  return Object.values(OWN_BUILDS).some(({ build }) => build === kind);
}

/**
 * The plan of a seed.
 * Out: faults spread over the builds in order; every kind comes as often as every other (±1). A fault that
 * may harm builds has one of its own (OWN_BUILDS), so that it is known which.
 */
export function makePlan(request: PlanRequest): Plan {
  const random = new Random(request.seed);
  const kinds = rounds(request.kinds, request.faults, random);
  const own = kinds.flatMap((kind) => OWN_BUILDS[kind]?.build ?? []);
  const builds = random
    .shuffled([...rounds(ROUND, request.builds, random), ...own])
    .map((kind, index) => ({ number: index + 1, kind, seed: random.whole(1, 2 ** 31 - 2) }));
  const free = builds.filter(({ kind }) => own.includes(kind));
  const faults = kinds.map((kind, index): PlannedFault => {
    const spread = 1 + Math.floor(((index + random.next()) * builds.length) / kinds.length);
    const range = OWN_BUILDS[kind] ?? OTHERS;
    const its =
      'build' in range
        ? free.splice(
            free.findIndex((build) => build.kind === range.build),
            1,
          )[0]
        : undefined;
    return {
      number: 0,
      kind,
      when: { build: its?.number ?? Math.min(spread, builds.length), percent: random.whole(range.from, range.to) },
      worker: random.whole(0, WORKERS - 1),
      forMs: outage(request.maxOutageMs, random),
    };
  });
  faults.sort((a, b) => a.when.build - b.when.build || a.when.percent - b.when.percent);
  return { seed: request.seed, builds, faults: faults.map((fault, index) => ({ ...fault, number: index + 1 })) };
}

/** Short ones come more often than long ones: each doubling is as likely as the next. */
function outage(maxMs: number, random: Random): number {
  return Math.round(MIN_OUTAGE_MS * (maxMs / MIN_OUTAGE_MS) ** random.next());
}

/** `count` of them: whole rounds of all, shuffled each, and a part of one more. */
function rounds<T>(from: readonly T[], count: number, random: Random): T[] {
  const out: T[] = [];
  while (from.length > 0 && out.length < count) out.push(...random.shuffled(from));
  return out.slice(0, count);
}
