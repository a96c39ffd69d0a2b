// Whether a build whose attempt has ended gets another one. Pure; the store asks at the end of every attempt.
import type { FinalStatus, PhaseContext } from './phase.js';

/** Why an attempt ended badly, as a project's retryPolicy names it. A stopped build is none of these: it is never retried. */
export const RETRY_CAUSES = [
  'WORKER_LOST', // the container, the worker or its host is gone, or the engine went away
  'FAULT', // any other fault of Kilnyard or what it stands on
  'FAILED', // the user's work, settings, source or image
  'TIMED_OUT', // the build's own time was over
] as const;
export type RetryCause = (typeof RETRY_CAUSES)[number];

/** Which ends of an attempt the project's autoRetryLimit is for. */
export interface RetryPolicy {
  causes: RetryCause[];
  /** Narrows FAILED to these exit statuses of the command that failed first. Absent: every failure. */
  exitCodes?: number[];
}

/** Without a policy autoRetryLimit is for these. Not for TIMED_OUT: an attempt that hung would hang for as long again. */
export const DEFAULT_RETRY_CAUSES: readonly RetryCause[] = ['WORKER_LOST', 'FAULT', 'FAILED'];
/** Largest autoRetryLimit that a project may ask for. */
export const MAX_AUTO_RETRIES = 10;
/** Attempts lost before user code could run that are made up for, beside autoRetryLimit. */
export const MAX_LOST_STARTS = 3;
/** Attempts that draining workers gave back that are made up for, beside autoRetryLimit; a drain is no sign of a bad build. */
export const MAX_GIVE_BACKS = 20;

/** Under which rule an attempt was followed by another. */
export const RETRY_RULES = ['AUTO_RETRY', 'LOST_START', 'GIVEN_BACK', 'ON_FAILURE'] as const;
export type RetryRule = (typeof RETRY_RULES)[number];

/** How an attempt ended. */
export interface AttemptEnd {
  status: FinalStatus;
  /** What ended it; for FAILED the context of the phase that failed first. */
  context: PhaseContext | null;
  /** User code may have run: the script was handed over, or was about to be. */
  handedOver: boolean;
  /** A draining worker put it back. */
  givenBack: boolean;
  stopRequested: boolean;
  /** Retries that the buildspec allows after what failed (`on-failure: RETRY…`); 0 when it asks for none. */
  buildspecRetries: number;
}

/** How often each rule has given this build another attempt already. */
export type PastRetries = Readonly<Record<RetryRule, number>>;

/** Faults that mean: the place where the build ran is gone. */
const LOST_FAULTS: readonly string[] = ['WORKER_LOST', 'SANDBOX_LOST', 'DOCKER_UNAVAILABLE'];

/** Null for an end that is no mishap: SUCCEEDED, STOPPED. */
export function retryCause(end: Pick<AttemptEnd, 'status' | 'context'>): RetryCause | null {
  switch (end.status) {
    case 'SUCCEEDED':
    case 'STOPPED':
      return null;
    case 'FAULT':
      return LOST_FAULTS.includes(end.context?.faultCode ?? '') ? 'WORKER_LOST' : 'FAULT';
    case 'FAILED':
    case 'TIMED_OUT':
      return end.status;
    default:
      return end.status satisfies never;
  }
}

/**
 * The rule under which the build gets another attempt, or null when this was the last.
 * An attempt in which no user code can have run is made up for whatever the project says, since that is always safe; so that a
 * build which takes its workers along does not go round for ever, only so often. Of failures the buildspec's own wish counts next, with a
 * count of its own; then the project's policy.
 */
export function retryRule(
  end: AttemptEnd,
  project: { autoRetryLimit?: number | undefined; retryPolicy?: RetryPolicy | undefined },
  past: PastRetries,
): RetryRule | null {
  const cause = retryCause(end);
  if (cause === null || end.stopRequested) return null;
  if (cause === 'WORKER_LOST' && !end.handedOver) {
    if (end.givenBack && past.GIVEN_BACK < MAX_GIVE_BACKS) return 'GIVEN_BACK';
    if (!end.givenBack && past.LOST_START < MAX_LOST_STARTS) return 'LOST_START';
  }
  if (cause === 'FAILED' && past.ON_FAILURE < end.buildspecRetries) return 'ON_FAILURE';
  if (past.AUTO_RETRY >= (project.autoRetryLimit ?? 0)) return null;
  const { causes, exitCodes } = project.retryPolicy ?? { causes: DEFAULT_RETRY_CAUSES };
  if (!causes.includes(cause)) return null;
  if (cause === 'FAILED' && exitCodes !== undefined) {
    const exitCode = end.context?.exitCode;
    if (exitCode === undefined || !exitCodes.includes(exitCode)) return null;
  }
  return 'AUTO_RETRY';
}
