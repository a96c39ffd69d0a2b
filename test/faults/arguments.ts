// The command line of `npm run test:faults`. Pure.
import { parseArgs } from 'node:util';
import { ABOUT, FAULT_KINDS, readKinds, type FaultKind } from './kinds.js';

export interface RunArguments {
  seed: number;
  builds: number;
  faults: number;
  kinds: readonly FaultKind[];
  /** After so long a run is over, and what has not ended is a violation. */
  minutes: number;
  maxOutageMs: number;
  /** Where the numbers go, for scripts/test.mjs. */
  report: string | undefined;
  /** Every step on the terminal. */
  verbose: boolean;
  /** The folder of a run without violations stays too. */
  keep: boolean;
}

/** The bounded form, part of `npm test`: always the same plan, with each kind of fault twice. Takes about three minutes. */
export const BOUNDED = {
  seed: 20_260,
  builds: 30,
  faults: 2 * FAULT_KINDS.length,
  /** Far more than it needs, so that a slow machine comes to the end. */
  minutes: 10,
  maxOutageMs: 4_000,
} as const;
/** Per minute of the long form. */
const BUILDS_A_MINUTE = 12;
const FAULTS_A_MINUTE = 8;
/** Beyond the minutes asked for: what was started is let come to its end. */
const MINUTES_TO_END = 5;
const LONG_OUTAGE_MS = 60_000;

export const USAGE = `npm run test:faults [-- OPTIONS]
  --bounded            the form that is part of npm test: seed ${BOUNDED.seed}, ${BOUNDED.builds} builds, ${BOUNDED.faults} faults
  --seed N             of the plan; without it one is drawn
  --minutes M          about how long (10); sets the number of builds and faults
  --builds N           builds; those that faults need for themselves come on top
  --faults K           faults
  --only KIND[,KIND]   these kinds of faults alone
  --verbose            every step
  --keep               keep logs and data of a run without violations
Kinds of faults:
${FAULT_KINDS.map((kind) => `  ${kind.padEnd(20)} ${ABOUT[kind]}`).join('\n')}
`;

/** In: arguments after the script's name. Errors: what is wrong with them. */
export function readArguments(args: readonly string[], draw: () => number): RunArguments | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ seed: text, minutes: text, builds: text, faults: text, only: text, report: text },
      ...{ bounded: flag, verbose: flag, keep: flag, help: flag },
    },
  });
  if (values.help === true) return 'help';
  const number = (name: 'seed' | 'minutes' | 'builds' | 'faults', otherwise: number): number => {
    const given = values[name];
    if (given === undefined) return otherwise;
    if (!/^\d{1,9}$/.test(given)) throw new Error(`--${name}: expected a whole number, got ${JSON.stringify(given)}`);
    return Number(given);
  };
  const bounded = values.bounded === true;
  const minutes = number('minutes', 10);
  return {
    seed: number('seed', bounded ? BOUNDED.seed : draw()),
    builds: number('builds', bounded ? BOUNDED.builds : minutes * BUILDS_A_MINUTE),
    faults: number('faults', bounded ? BOUNDED.faults : minutes * FAULTS_A_MINUTE),
    kinds: values.only === undefined ? FAULT_KINDS : readKinds(values.only),
    minutes: bounded ? number('minutes', BOUNDED.minutes) : minutes + MINUTES_TO_END,
    maxOutageMs: bounded ? BOUNDED.maxOutageMs : LONG_OUTAGE_MS,
    report: values.report,
    verbose: values.verbose === true,
    keep: values.keep === true,
  };
}
