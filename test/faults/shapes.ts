// What each kind of build does, and what it prints doing it. Pure.
import type { FaultCode } from '#core/errors.js';
import type { FinalStatus } from '#core/phase.js';
import type { BuildKind } from './kinds.js';
import { linesOf, printLines, type LineRun } from './lines.js';
import type { PlannedBuild } from './plan.js';

/** The name and the value of the secret that builds print. */
export const SECRET = { name: 'faults/token', value: 'tok-9f8e7d6c5b4a39281706' } as const;
/** What the parameter of a gate says before and after it is opened. */
export const CLOSED = 'gate-is-closed-5b1e';
export const OPEN = 'gate-is-open-5b1e';
/** `whole`: exactly its lines. `beginning`: those up to where it was ended. `any`: it may have spoiled its own log. */
export type Extent = 'whole' | 'beginning' | 'any';

/** One thing that a build does: its command, and the lines that it prints. */
export interface Act {
  command: string;
  prints: readonly string[];
}

export interface Shape {
  /** Acts by phase, in the order in which they run. */
  phases: Partial<Record<'install' | 'pre_build' | 'build' | 'post_build', Act[]>>;
  rest?: Record<string, unknown>;
  statuses?: readonly FinalStatus[];
  extent?: Extent;
  timeoutMinutes?: number;
  stopAtPercent?: number;
  files?: Record<string, string>;
  /** Code of the fault that must end it. */
  faultCode?: FaultCode;
  /** It does not end before this parameter is OPEN, which an attempt reads when it begins. */
  gate?: string;
  autoRetryLimit?: number;
}

function print(planned: PlannedBuild, run: Partial<LineRun> & { count: number }): Act {
  const whole: LineRun = {
    tag: `b${planned.number}`,
    seed: planned.seed,
    pauseEvery: 0,
    pauseMs: 0,
    fill: 0,
    ...run,
  };
  return { command: printLines(whole), prints: linesOf(whole) };
}

/** Longer than any run. */
const WAIT: Act = { command: 'sleep 100000', prints: [] };

export const SHAPES: Record<BuildKind, (planned: PlannedBuild) => Shape> = {
  quiet: (planned) => ({ phases: { build: [print(planned, { count: 7, pauseEvery: 1, pauseMs: 900 })] } }),
  chatty: (planned) => ({
    phases: { build: [print(planned, { count: 4_000, pauseEvery: 40, pauseMs: 50, fill: 40 })] },
  }),
  bursts: (planned) => ({
    phases: { build: [print(planned, { count: 24_000, pauseEvery: 6_000, pauseMs: 1_200, fill: 60 })] },
  }),
  unfinished: (planned) => ({
    phases: {
      build: [
        { command: `printf 'one '; sleep 1; printf 'two '; sleep 1; printf 'three\\n'`, prints: ['one two three'] },
        print(planned, { count: 20, pauseEvery: 10, pauseMs: 400 }),
        { command: `printf 'never ended'`, prints: ['never ended'] },
        { command: `printf 'ended\\n'; printf 'nor this'`, prints: ['ended', 'nor this'] },
      ],
    },
  }),
  secret: (planned) => ({
    phases: {
      build: [
        { command: `printf 'token=%s.\\n' "$TOKEN"`, prints: ['token=***.'] },
        print(planned, { count: 10, pauseEvery: 5, pauseMs: 500 }),
        { command: `printf 'half %s' "\${TOKEN:0:9}"; sleep 1; printf '%s.\\n' "\${TOKEN:9}"`, prints: ['half ***.'] },
        { command: `sleep 1; echo "$TOKEN$TOKEN"`, prints: ['***'] },
      ],
    },
    rest: { env: { 'secrets-manager': { TOKEN: SECRET.name } } },
  }),
  failing: (planned) => ({
    phases: {
      build: [
        print(planned, { count: 30, pauseEvery: 10, pauseMs: 500 }),
        { command: 'exit 3', prints: [] },
        { command: 'echo never', prints: [] },
      ],
      post_build: [{ command: 'echo after the failure', prints: ['after the failure'] }],
    },
    statuses: ['FAILED'],
  }),
  'timed-out': (planned) => ({
    phases: { build: [print(planned, { count: 100, pauseEvery: 1, pauseMs: 250 }), WAIT] },
    statuses: ['TIMED_OUT'],
    extent: 'beginning',
    timeoutMinutes: 0.15,
  }),
  // it does not end until its user can stop it
  stopped: (planned) => ({
    phases: { build: [print(planned, { count: 100, pauseEvery: 1, pauseMs: 250 }), WAIT] },
    statuses: ['STOPPED'],
    extent: 'beginning',
    stopAtPercent: 12,
  }),
  artifact: (planned) => {
    const file = { tag: 'data', seed: planned.seed, count: 20_000, pauseEvery: 0, pauseMs: 0, fill: 20 };
    return {
      phases: {
        build: [
          { command: `mkdir -p out/deep && ${printLines(file)} > out/deep/data.txt`, prints: [] },
          { command: `printf 'small' > out/small.txt`, prints: [] },
          print(planned, { count: 10, pauseEvery: 5, pauseMs: 700 }),
        ],
      },
      rest: { artifacts: { files: ['out/**/*'] } },
      files: { 'out/deep/data.txt': `${linesOf(file).join('\n')}\n`, 'out/small.txt': 'small' },
    };
  },
  phases: (planned) => ({
    phases: {
      install: [
        print(planned, { tag: 'install', count: 8, pauseEvery: 4, pauseMs: 400 }),
        { command: 'export CARRIED="from install"', prints: [] },
      ],
      pre_build: [print(planned, { tag: 'pre', count: 8, pauseEvery: 4, pauseMs: 400 })],
      build: [print(planned, { count: 8, pauseEvery: 4, pauseMs: 400 }), { command: 'cd /tmp', prints: [] }],
      post_build: [{ command: 'echo "carried $CARRIED to $PWD"', prints: ['carried from install to /tmp'] }],
    },
  }),
  long: (planned) => ({ phases: { build: [print(planned, { count: 72, pauseEvery: 1, pauseMs: 300 })] } }),
  // it does not end until its container is killed
  victim: (planned) => ({
    phases: { build: [print(planned, { count: 40, pauseEvery: 1, pauseMs: 200 }), WAIT] },
    statuses: ['FAULT'],
    extent: 'beginning',
    faultCode: 'SANDBOX_LOST',
  }),
  // nor does its first attempt, whose container is killed when the gate is open for the next one
  retried: (planned) => {
    const gate = `faults/gate-${planned.number}`;
    return {
      phases: {
        build: [
          print(planned, { count: 40, pauseEvery: 1, pauseMs: 200 }),
          { command: `[ "$GATE" = ${OPEN} ] || ${WAIT.command}; echo went on`, prints: ['went on'] },
        ],
      },
      rest: { env: { 'parameter-store': { GATE: gate } } },
      gate,
      autoRetryLimit: 1,
    };
  },
  // it writes for longer than anything may keep the full disk from it
  writer: (planned) => ({
    phases: { build: [print(planned, { count: 60_000, pauseEvery: 40, pauseMs: 100, fill: 80 }), WAIT] },
    statuses: ['FAULT'],
    extent: 'beginning',
    faultCode: 'STORAGE_FULL',
  }),
  vandal: (planned) => ({
    phases: {
      build: [
        print(planned, { count: 10, pauseEvery: 5, pauseMs: 500 }),
        vandalism(planned),
        print(planned, { count: 10, pauseEvery: 5, pauseMs: 500 }),
      ],
    },
    statuses: ['SUCCEEDED', 'FAILED', 'FAULT', 'TIMED_OUT'],
    extent: 'any',
    timeoutMinutes: 0.5,
  }),
};

const OUTPUT = '/kilnyard/output';
const EVENTS = '/kilnyard/events';
/** Ways in which a build may spoil what its worker reads. */
export const VANDALISMS = [
  `: > ${OUTPUT}`,
  `head -c 3000000 /dev/urandom > ${OUTPUT}`,
  `: > ${OUTPUT}; head -c 200000 /dev/zero > ${OUTPUT}; : > ${OUTPUT}`,
  `head -c 300000 /dev/urandom >> ${EVENTS}`,
  `printf 'finish BUILD SUCCEEDED 1.0 \\nend 1\\n' >> ${EVENTS}`,
  `: > ${EVENTS}; printf 'end 0\\nbegin POST_BUILD 99999999999\\n' >> ${EVENTS}`,
  `head -c 5000000 /dev/zero | tr '\\0' x >> ${EVENTS}`,
  `kill -9 $(pidof cat)`,
] as const;

function vandalism({ seed }: PlannedBuild): Act {
  return { command: `${VANDALISMS[seed % VANDALISMS.length]} || true`, prints: [] };
}
