// Fleets and labels: which workers a build may run on. A build asks, a worker carries; both as sets of short words.
// A fleet is capacity set aside: its workers run what asks for it and nothing else (as on CodeBuild). A label only tells what a
// worker has; builds that ask for none of it run there as well.
import { Refusal, type Finding } from './errors.js';

/** What a worker carries. `fleet` is empty for a worker of the common pool. */
export interface Carried {
  fleet: string;
  labels: readonly string[];
}
export const NOTHING_CARRIED: Carried = { fleet: '', labels: [] };

/** What a project or a build asks for. */
export interface Asked {
  /** By name, or by CodeBuild's ARN, whose last part holds the name. */
  fleet?: { fleetArn: string };
  labels?: string[];
}

export const MAX_LABELS = 20;
/** codebuild-contract, CreateFleet. */
export const FLEET_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{1,127}$/;
/** `gpu`, or `arch=arm64`; the key `fleet` is taken. */
export const LABEL = /^(?!fleet=)[A-Za-z0-9][A-Za-z0-9_.-]{0,62}(=[A-Za-z0-9_.-]{1,63})?$/;
const FLEET_KEY = 'fleet=';

/** The name in `arn:…:fleet/<name>:<uuid>`, or the name itself. */
export function fleetName(fleetArn: string): string {
  return /^arn:[^/]*:fleet\/([^:/]+)(:[^:/]*)?$/.exec(fleetArn)?.[1] ?? fleetArn;
}

/** All that a build asks for as one text: `,`-separated, sorted, each once; empty when any worker of the common pool will do. */
export function requiresOf({ fleet, labels = [] }: Asked): string {
  const words = new Set(labels);
  if (fleet !== undefined) words.add(FLEET_KEY + fleetName(fleet.fleetArn));
  return [...words].sort().join(',');
}

/**
 * A worker's settings as what it carries.
 * Errors: Refusal INVALID_INPUT with a finding for each name that is none.
 */
export function readCarried(fleet: string, labels: readonly string[]): Carried {
  const findings: Finding[] = [];
  const say = (field: string, expected: string, got: string): void =>
    void findings.push({ field, expected, got: JSON.stringify(got.slice(0, 100)) });
  if (fleet !== '' && !FLEET_NAME.test(fleet))
    say('KILNYARD_WORKER_FLEET', '2 to 128 letters, digits, `-` and `_`, a letter or digit first', fleet);
  for (const label of labels)
    if (!LABEL.test(label)) say('KILNYARD_WORKER_LABELS', 'words like `gpu` or `arch=arm64`, not `fleet=`', label);
  if (findings.length === 0) return { fleet, labels: [...new Set(labels)].sort() };
  const lines = findings.map((one) => `  ${one.field}: expected ${one.expected}, got ${one.got}`);
  throw new Refusal('INVALID_INPUT', `settings are wrong:\n${lines.join('\n')}`, { findings });
}

/** The words of a worker, as `requiresOf` writes them. */
export function wordsOf({ fleet, labels }: Carried): string[] {
  return [...labels, ...(fleet === '' ? [] : [FLEET_KEY + fleet])];
}

/** The fleet's word that each build on such a worker must have; empty in the common pool. */
export function fleetWordOf({ fleet }: Carried): string {
  return fleet === '' ? '' : FLEET_KEY + fleet;
}

/** The fleet that a build asks for; empty for the common pool. */
export function fleetOf(requires: string): string {
  const word = requires.split(',').find((one) => one.startsWith(FLEET_KEY));
  return word === undefined ? '' : word.slice(FLEET_KEY.length);
}

/** Whether a worker may run what asks for `requires`. The store says the same in SQL (pick.ts, FITS). */
export function fits(requires: string, carried: Carried): boolean {
  const asked = requires === '' ? [] : requires.split(',');
  const has = new Set(wordsOf(carried));
  return asked.every((word) => has.has(word)) && (carried.fleet === '' || asked.includes(fleetWordOf(carried)));
}
