// The families of errors that cross a room's edge. Every room throws these; only apps turn them into HTTP or a build's status.
// A failing user command is none of them: it is an outcome (see outcome.ts in the engine).

/** What the caller can mend; the API answers with a 4xx problem. */
export const REFUSAL_CODES = [
  'INVALID_INPUT',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'PROJECT_NOT_FOUND',
  'BUILD_NOT_FOUND',
  'BATCH_NOT_FOUND',
  'ATTEMPT_NOT_FOUND',
  'ARTIFACT_NOT_FOUND',
  'ARTIFACT_EXPIRED',
  'LOG_EXPIRED',
  'REPORT_GROUP_NOT_FOUND',
  'REPORT_NOT_FOUND',
  'PARAMETER_NOT_FOUND',
  'SECRET_NOT_FOUND',
  'UPLOAD_NOT_FOUND',
  'NOT_FOUND',
  'PROJECT_EXISTS',
  'BUILDSPEC_INVALID',
  'ILLEGAL_TRANSITION',
  'BUILD_IN_PROGRESS',
  'BUILD_NOT_PAUSED',
  'BATCH_IN_PROGRESS',
  'LIMIT_EXCEEDED',
  'IDEMPOTENCY_MISMATCH',
  'PRIVILEGED_NOT_ALLOWED',
  'SOURCE_NOT_ALLOWED',
  'RANGE_NOT_SATISFIABLE',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** What is Kilnyard's or its surroundings' fault; the build ends FAULT, the API answers 5xx. */
export const FAULT_CODES = [
  'DOCKER_UNAVAILABLE',
  'DATABASE_UNAVAILABLE',
  'QUEUE_UNAVAILABLE',
  'LOG_APPEND_FAILED',
  'LEASE_LOST',
  'WORKER_LOST',
  'SANDBOX_LOST',
  'STORAGE_FULL',
  'STORAGE_UNAVAILABLE',
  'BLOB_CORRUPT',
  'INTERNAL',
] as const;
export type FaultCode = (typeof FAULT_CODES)[number];

/**
 * What went wrong in a phase because of the user's settings or surroundings: the phase FAILS with a context of this code.
 * The words are CodeBuild's where it has one (codebuild-contract C8).
 */
export const PHASE_FAILURE_CODES = [
  'COMMAND_EXECUTION_ERROR',
  'CLIENT_ERROR',
  'YAML_FILE_ERROR',
  'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
  'BUILD_CONTAINER_UNUSABLE',
  'BUILD_TIMED_OUT',
  'BUILD_QUEUE_TIMED_OUT',
  'BUILD_OUT_OF_MEMORY',
  'BUILD_OUT_OF_DISK',
  'SOURCE_FETCH_FAILED',
  'SOURCE_TOO_LARGE',
  'ACCESS_DENIED',
  'INTERNAL_SERVICE_ERROR',
] as const;
export type PhaseFailureCode = (typeof PHASE_FAILURE_CODES)[number];

/** One thing wrong with an input: which field, what was expected, what came. */
export interface Finding {
  /** Dotted path of the field (`environment.image`, `phases.build.commands[2]`), or empty for the whole input. */
  field: string;
  expected: string;
  /** What came, shortened and never a secret. */
  got: string;
  /** 1-based place in the text, where the input was a text. */
  line?: number;
  column?: number;
  /** What was probably meant, where that can be said. */
  suggestion?: string;
}

export abstract class KilnyardError extends Error {
  abstract readonly code: string;
  /** Facts that are safe to show to the caller. */
  readonly details: Readonly<Record<string, unknown>>;

  protected constructor(message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.details = options.details ?? {};
  }
}

/** The caller asked for something that cannot be; they can mend it. */
export class Refusal extends KilnyardError {
  constructor(
    readonly code: RefusalCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown>; findings?: Finding[] } = {},
  ) {
    super(message, options);
    this.findings = options.findings ?? [];
  }
  readonly findings: readonly Finding[];
}

/** Kilnyard, or what it stands on, failed. `retryable` says whether the same call may succeed later. */
export class Fault extends KilnyardError {
  readonly retryable: boolean;
  constructor(
    readonly code: FaultCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown>; retryable?: boolean } = {},
  ) {
    super(message, options);
    this.retryable = options.retryable ?? false;
  }
}

/** A phase of a build could not do its work for a reason that lies with the build's own settings, source or image. */
export class PhaseFailure extends KilnyardError {
  constructor(
    readonly code: PhaseFailureCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options);
  }
}

/** Why a running build was interrupted; the reason of its AbortSignal. The first cause wins. */
export type InterruptReason = 'stop' | 'timeout' | 'drain' | 'lease-lost';

export class Interrupt extends KilnyardError {
  readonly code = 'INTERRUPT';
  constructor(readonly reason: InterruptReason) {
    super(`the build was interrupted: ${reason}`);
  }
}

/** Whether a call failed for want of room on a disk (or within a quota), as Node or a program's own words tell it. */
export function isNoSpace(thrown: unknown): boolean {
  const { code, stderr } = (thrown ?? {}) as { code?: unknown; stderr?: unknown };
  return (
    code === 'ENOSPC' || code === 'EDQUOT' || (typeof stderr === 'string' && /No space left on device/i.test(stderr))
  );
}

/** Whether the database took nothing just now: it is away, or its disk is full. Either passes, and neither is a build's or a worker's doing. */
export function isDatabaseTrouble(thrown: unknown): thrown is Fault {
  if (!(thrown instanceof Fault)) return false;
  return (
    thrown.code === 'DATABASE_UNAVAILABLE' || (thrown.code === 'STORAGE_FULL' && thrown.details['disk'] === 'database')
  );
}

/** The text of anything thrown, for a message or a log field. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
