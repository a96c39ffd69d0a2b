// The one place where an error becomes an HTTP answer (RFC 9457). Every code of core has its row; a new code does not compile without one.
import {
  FAULT_CODES,
  Fault,
  REFUSAL_CODES,
  Refusal,
  type FaultCode,
  type Finding,
  type RefusalCode,
} from '#core/errors.js';
import { HttpRefusal, type HttpRefusalCode } from './http-refusal.js';

export type ProblemCode = RefusalCode | FaultCode | HttpRefusalCode;

/** The body of every error answer, `application/problem+json`. */
export interface Problem {
  /** `urn:kilnyard:problem:<code>`, a name and not an address. */
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  requestId: string;
  /** What is wrong with which field; empty unless the request itself was wrong. */
  findings: Finding[];
}

export interface ProblemAnswer {
  problem: Problem;
  headers: Record<string, string>;
  /** True when the cause is Kilnyard's and belongs into its diagnostics. */
  ours: boolean;
}

interface Row {
  status: number;
  title: string;
  headers?: Record<string, string>;
}

const RETRY_SOON = { 'retry-after': '2' };
/** Somebody has to make room first. */
const RETRY_LATER = { 'retry-after': '30' };
const AUTHENTICATE = { 'www-authenticate': 'Bearer realm="kilnyard"' };
const NOT_SAID = 'Kilnyard failed. Its diagnostics hold the cause under this request id.';

/**
 * The answer to anything thrown.
 * In: what was thrown; the request's id. Out: body and headers. A bug or an unknown error tells nothing of itself.
 */
export function toProblem(thrown: unknown, requestId: string): ProblemAnswer {
  if (thrown instanceof Refusal) {
    return answer(thrown.code, rowOfRefusal(thrown.code), thrown.message, requestId, thrown.findings);
  }
  if (thrown instanceof HttpRefusal) {
    const row = rowOfHttpRefusal(thrown.code);
    const made = answer(thrown.code, row, thrown.message, requestId, thrown.findings);
    return { ...made, headers: { ...made.headers, ...thrown.headers } };
  }
  if (thrown instanceof Fault) {
    const row = rowOfFault(thrown.code);
    const known = thrown.details['disk'] === 'database' ? DATABASE_FULL : FAULT_DETAILS[thrown.code];
    const detail = row.status === 500 ? NOT_SAID : (known ?? row.title);
    return { ...answer(thrown.code, row, detail, requestId, []), ours: true };
  }
  return { ...answer('INTERNAL', rowOfFault('INTERNAL'), NOT_SAID, requestId, []), ours: true };
}

/** Status and title of a code, for the documentation of routes. */
export function rowOf(code: ProblemCode): Row {
  if (isOneOf(REFUSAL_CODES, code)) return rowOfRefusal(code);
  if (isOneOf(FAULT_CODES, code)) return rowOfFault(code);
  return rowOfHttpRefusal(code);
}

function isOneOf<T extends string>(codes: readonly T[], code: string): code is T {
  return (codes as readonly string[]).includes(code);
}

const DATABASE_FULL = 'The disk of Postgres is full. Nothing was changed; try again when there is room.';
const FAULT_DETAILS: Partial<Record<FaultCode, string>> = {
  DATABASE_UNAVAILABLE: 'Postgres does not answer. Nothing was lost; try again.',
  QUEUE_UNAVAILABLE: 'Redis does not answer. Nothing was lost; try again.',
  STORAGE_FULL: 'The storage in which Kilnyard keeps artifacts and uploads is full.',
  STORAGE_UNAVAILABLE:
    'The storage in which Kilnyard keeps artifacts, uploads and archived logs does not answer. Nothing was lost; try again.',
};

function rowOfRefusal(code: RefusalCode): Row {
  switch (code) {
    case 'INVALID_INPUT':
      return { status: 400, title: 'The request is not valid' };
    case 'BUILDSPEC_INVALID':
      return { status: 400, title: 'The buildspec is not valid' };
    case 'UNAUTHENTICATED':
      return { status: 401, title: 'A valid token is needed', headers: AUTHENTICATE };
    case 'FORBIDDEN':
      return { status: 403, title: 'Not allowed' };
    case 'PRIVILEGED_NOT_ALLOWED':
      return { status: 403, title: 'Privileged mode is not allowed for this project' };
    case 'SOURCE_NOT_ALLOWED':
      return { status: 403, title: 'This source is not allowed' };
    case 'PROJECT_NOT_FOUND':
      return { status: 404, title: 'No such project' };
    case 'BUILD_NOT_FOUND':
      return { status: 404, title: 'No such build' };
    case 'BATCH_NOT_FOUND':
      return { status: 404, title: 'No such batch' };
    case 'ATTEMPT_NOT_FOUND':
      return { status: 404, title: 'No such attempt' };
    case 'ARTIFACT_NOT_FOUND':
      return { status: 404, title: 'No such artifact' };
    case 'REPORT_GROUP_NOT_FOUND':
      return { status: 404, title: 'No such report group' };
    case 'REPORT_NOT_FOUND':
      return { status: 404, title: 'No such report' };
    case 'PARAMETER_NOT_FOUND':
      return { status: 404, title: 'No such parameter' };
    case 'SECRET_NOT_FOUND':
      return { status: 404, title: 'No such secret' };
    case 'UPLOAD_NOT_FOUND':
      return { status: 404, title: 'No such upload' };
    case 'NOT_FOUND':
      return { status: 404, title: 'Nothing is here' };
    case 'LOG_EXPIRED':
      return { status: 410, title: 'The log is no longer kept' };
    case 'ARTIFACT_EXPIRED':
      return { status: 410, title: 'The artifact is no longer kept' };
    case 'PROJECT_EXISTS':
      return { status: 409, title: 'The project exists already' };
    case 'ILLEGAL_TRANSITION':
      return { status: 409, title: 'The build or batch cannot do this now' };
    case 'BUILD_IN_PROGRESS':
    case 'BUILD_NOT_PAUSED':
      return { status: 409, title: 'The build is still in progress' };
    case 'BATCH_IN_PROGRESS':
      return { status: 409, title: 'The batch is still in progress' };
    case 'IDEMPOTENCY_MISMATCH':
      return { status: 422, title: 'The Idempotency-Key was used for another request' };
    case 'RANGE_NOT_SATISFIABLE':
      return { status: 416, title: 'The range lies outside' };
    case 'LIMIT_EXCEEDED':
      return { status: 429, title: 'A limit is reached', headers: { 'retry-after': '30' } };
    default:
      return unreachable(code);
  }
}

function rowOfFault(code: FaultCode): Row {
  switch (code) {
    case 'DATABASE_UNAVAILABLE':
      return { status: 503, title: 'The database does not answer', headers: RETRY_SOON };
    case 'QUEUE_UNAVAILABLE':
      return { status: 503, title: 'The queue does not answer', headers: RETRY_SOON };
    case 'DOCKER_UNAVAILABLE':
      return { status: 503, title: 'The Docker Engine does not answer', headers: RETRY_SOON };
    case 'STORAGE_FULL':
      return { status: 507, title: 'The storage is full', headers: RETRY_LATER };
    case 'STORAGE_UNAVAILABLE':
      return { status: 503, title: 'The storage does not answer', headers: RETRY_SOON };
    case 'LOG_APPEND_FAILED':
    case 'LEASE_LOST':
    case 'WORKER_LOST':
    case 'SANDBOX_LOST':
    case 'BLOB_CORRUPT':
    case 'INTERNAL':
      return { status: 500, title: 'Kilnyard failed' };
    default:
      return unreachable(code);
  }
}

function rowOfHttpRefusal(code: HttpRefusalCode): Row {
  switch (code) {
    case 'MALFORMED_BODY':
      return { status: 400, title: 'The body cannot be read' };
    case 'MALFORMED_URL':
      return { status: 400, title: 'The URL cannot be read' };
    case 'METHOD_NOT_ALLOWED':
      return { status: 405, title: 'This method is not for this route' };
    case 'NOT_ACCEPTABLE':
      return { status: 406, title: 'No such representation' };
    case 'REQUEST_TIMEOUT':
      return { status: 408, title: 'The request took too long to arrive' };
    case 'IDEMPOTENCY_IN_PROGRESS':
      return {
        status: 409,
        title: 'The first request under this key is still at work',
        headers: { 'retry-after': '1' },
      };
    case 'BODY_TOO_LARGE':
      return { status: 413, title: 'The body is too large', headers: { connection: 'close' } };
    case 'UNSUPPORTED_MEDIA_TYPE':
      return { status: 415, title: 'This kind of body is not read here' };
    case 'HEADERS_TOO_LARGE':
      return { status: 431, title: 'The headers are too large', headers: { connection: 'close' } };
    case 'SHUTTING_DOWN':
      return { status: 503, title: 'Kilnyard is shutting down', headers: { ...RETRY_SOON, connection: 'close' } };
    default:
      return unreachable(code);
  }
}

function answer(
  code: ProblemCode,
  row: Row,
  detail: string,
  requestId: string,
  findings: readonly Finding[],
): ProblemAnswer {
  return {
    problem: {
      type: `urn:kilnyard:problem:${code.toLowerCase().replaceAll('_', '-')}`,
      title: row.title,
      status: row.status,
      code,
      detail,
      requestId,
      findings: [...findings],
    },
    headers: { ...row.headers },
    ours: false,
  };
}

function unreachable(code: never): never {
  throw new Error(`no HTTP answer for the code ${String(code)}`);
}
