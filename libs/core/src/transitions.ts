// The life of a build as data: phase, event, next phase. `transition` is the only way from one state to the next;
// the store applies it, the compiler of the in-container plan reads the same table (nextCommandPhase).
import { Refusal } from './errors.js';
import type { BuildStatus, FinalStatus, PhaseType } from './phase.js';

export const TRANSITION_EVENTS = [
  'QUEUE', // the row is written, its id goes into the queue
  'CLAIM', // a worker took it under a lease
  'SUCCEED', // the phase did its work
  'FAIL', // the phase failed; CodeBuild's table says what follows
  'FAIL_CONTINUE', // failed under on-failure: CONTINUE
  'FAIL_ABORT', // failed under on-failure: ABORT
  'FAULT', // Kilnyard failed
  'STOP', // someone asked for it
  'TIME_OUT', // build or queue timeout
  'RETRY', // the attempt has ended, and another is granted (retry.ts)
] as const;
export type TransitionEvent = (typeof TRANSITION_EVENTS)[number];
/** What can happen to a phase; RETRY happens to the attempt, on top of the event that ended it. */
export type PhaseEvent = Exclude<TransitionEvent, 'RETRY'>;

/** Where a build stands. `failing` remembers that some phase failed in a way that counts for the final status. */
export interface BuildState {
  readonly status: BuildStatus;
  readonly phase: PhaseType;
  readonly failing: boolean;
}

const INTERRUPTED = { FAULT: 'COMPLETED', STOP: 'COMPLETED', TIME_OUT: 'COMPLETED' } as const;
/** Of the phases in which a worker holds the build: from each of them there is a way back to the queue. */
const RUNNING = { ...INTERRUPTED, RETRY: 'QUEUED' } as const;

/** Source: codebuild-contract C4; where it is silent, docs/build-lifecycle.md says what was decided. */
export const TRANSITIONS: Readonly<Record<PhaseType, Partial<Record<TransitionEvent, PhaseType>>>> = {
  SUBMITTED: { QUEUE: 'QUEUED', FAIL: 'COMPLETED', ...INTERRUPTED },
  QUEUED: { CLAIM: 'PROVISIONING', FAIL: 'COMPLETED', ...INTERRUPTED },
  PROVISIONING: { SUCCEED: 'DOWNLOAD_SOURCE', FAIL: 'COMPLETED', ...RUNNING },
  DOWNLOAD_SOURCE: { SUCCEED: 'INSTALL', FAIL: 'FINALIZING', ...RUNNING },
  INSTALL: {
    SUCCEED: 'PRE_BUILD',
    FAIL: 'FINALIZING',
    FAIL_CONTINUE: 'PRE_BUILD',
    FAIL_ABORT: 'FINALIZING',
    ...RUNNING,
  },
  PRE_BUILD: {
    SUCCEED: 'BUILD',
    FAIL: 'FINALIZING',
    FAIL_CONTINUE: 'BUILD',
    FAIL_ABORT: 'FINALIZING',
    ...RUNNING,
  },
  BUILD: {
    SUCCEED: 'POST_BUILD',
    FAIL: 'POST_BUILD',
    FAIL_CONTINUE: 'POST_BUILD',
    FAIL_ABORT: 'FINALIZING',
    ...RUNNING,
  },
  POST_BUILD: {
    SUCCEED: 'UPLOAD_ARTIFACTS',
    FAIL: 'UPLOAD_ARTIFACTS',
    FAIL_CONTINUE: 'UPLOAD_ARTIFACTS',
    FAIL_ABORT: 'FINALIZING',
    ...RUNNING,
  },
  UPLOAD_ARTIFACTS: { SUCCEED: 'FINALIZING', FAIL: 'FINALIZING', ...RUNNING },
  FINALIZING: { SUCCEED: 'COMPLETED', FAIL: 'COMPLETED', ...RUNNING },
  COMPLETED: {},
};

/** The status that the ended phase gets from an event; QUEUE and CLAIM end their phase well. RETRY leaves it to the event that ended the attempt. */
export const PHASE_STATUS_OF: Readonly<Record<PhaseEvent, FinalStatus>> = {
  QUEUE: 'SUCCEEDED',
  CLAIM: 'SUCCEEDED',
  SUCCEED: 'SUCCEEDED',
  FAIL: 'FAILED',
  FAIL_CONTINUE: 'FAILED',
  FAIL_ABORT: 'FAILED',
  FAULT: 'FAULT',
  STOP: 'STOPPED',
  TIME_OUT: 'TIMED_OUT',
};

/**
 * The state after `event`.
 * In: the present state. Out: the next one; when its phase is COMPLETED its status is final. RETRY forgets what failed: the next
 * attempt begins anew.
 * Errors: Refusal ILLEGAL_TRANSITION when the table has no such way (a final state has none at all).
 */
export function transition(state: BuildState, event: TransitionEvent): BuildState {
  const phase = TRANSITIONS[state.phase][event];
  if (phase === undefined) {
    throw new Refusal(
      'ILLEGAL_TRANSITION',
      `a build in phase ${state.phase} (${state.status}) has no way for ${event}`,
      {
        details: { phase: state.phase, status: state.status, event },
      },
    );
  }
  const failing = event !== 'RETRY' && (state.failing || event === 'FAIL' || event === 'FAIL_ABORT');
  if (phase !== 'COMPLETED') return { status: 'IN_PROGRESS', phase, failing };
  return { status: finalStatus(event, failing), phase, failing };
}

function finalStatus(event: TransitionEvent, failing: boolean): FinalStatus {
  if (event === 'STOP') return 'STOPPED';
  if (event === 'TIME_OUT') return 'TIMED_OUT';
  if (event === 'FAULT') return 'FAULT';
  return failing ? 'FAILED' : 'SUCCEEDED';
}
