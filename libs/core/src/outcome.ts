// How a piece of work ended, before anyone calls it a status: five different things (house style 8, decision 9).
import type { PhaseContext } from './phase.js';

export type PhaseOutcome =
  | { kind: 'succeeded' }
  /** The user's work failed; `onFailure` says what the buildspec wants then. */
  | { kind: 'failed'; context: PhaseContext; onFailure?: 'ABORT' | 'CONTINUE' }
  /** Kilnyard failed. */
  | { kind: 'fault'; context: PhaseContext }
  | { kind: 'stopped'; context: PhaseContext }
  | { kind: 'timed-out'; context: PhaseContext };
