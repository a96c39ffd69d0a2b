// The phases of a build and their results; CodeBuild's words (codebuild-contract A8, C4).
import type { FaultCode } from './errors.js';

export const PHASE_TYPES = [
  'SUBMITTED',
  'QUEUED',
  'PROVISIONING',
  'DOWNLOAD_SOURCE',
  'INSTALL',
  'PRE_BUILD',
  'BUILD',
  'POST_BUILD',
  'UPLOAD_ARTIFACTS',
  'FINALIZING',
  'COMPLETED',
] as const;
export type PhaseType = (typeof PHASE_TYPES)[number];

/** The phases that run the user's commands, in order. */
export const COMMAND_PHASES = ['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD'] as const;
export type CommandPhase = (typeof COMMAND_PHASES)[number];

export const BUILD_STATUSES = ['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'FAULT', 'TIMED_OUT', 'STOPPED'] as const;
/** The status of a build or of a phase. IN_PROGRESS is the only one that is not final. */
export type BuildStatus = (typeof BUILD_STATUSES)[number];
export type FinalStatus = Exclude<BuildStatus, 'IN_PROGRESS'>;
export const FINAL_STATUSES = BUILD_STATUSES.filter(isFinal);

export function isFinal(status: BuildStatus): status is FinalStatus {
  return status !== 'IN_PROGRESS';
}

/** Why a phase ended as it did. Both empty on success, as CodeBuild shows it. */
export interface PhaseContext {
  statusCode: string;
  message: string;
  /** Exit status of the command that failed, where one did. Kilnyard's own. */
  exitCode?: number;
  /** Which fault ended the phase, where one did. Kilnyard's own. */
  faultCode?: FaultCode;
  /** How often the buildspec wants the build retried after this failure (`on-failure: RETRY…`). Kilnyard's own. */
  retryLimit?: number;
}

export interface Phase {
  phaseType: PhaseType;
  /** Absent while it runs, and always absent on COMPLETED. */
  phaseStatus?: FinalStatus;
  startTime: Date;
  endTime?: Date;
  contexts: PhaseContext[];
}
