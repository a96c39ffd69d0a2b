import { describe, expect, it } from '@jest/globals';
import { FAULT_CODES, Fault, PhaseFailure, REFUSAL_CODES, Refusal } from '#core/errors.js';
import { HTTP_REFUSAL_CODES, HttpRefusal } from './http-refusal.js';
import { rowOf, toProblem } from './problem.js';

const STATUSES: Record<string, number> = {
  INVALID_INPUT: 400,
  BUILDSPEC_INVALID: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  PRIVILEGED_NOT_ALLOWED: 403,
  SOURCE_NOT_ALLOWED: 403,
  PROJECT_NOT_FOUND: 404,
  BUILD_NOT_FOUND: 404,
  BATCH_NOT_FOUND: 404,
  ATTEMPT_NOT_FOUND: 404,
  ARTIFACT_NOT_FOUND: 404,
  ARTIFACT_EXPIRED: 410,
  LOG_EXPIRED: 410,
  REPORT_GROUP_NOT_FOUND: 404,
  REPORT_NOT_FOUND: 404,
  PARAMETER_NOT_FOUND: 404,
  SECRET_NOT_FOUND: 404,
  UPLOAD_NOT_FOUND: 404,
  NOT_FOUND: 404,
  PROJECT_EXISTS: 409,
  ILLEGAL_TRANSITION: 409,
  BUILD_IN_PROGRESS: 409,
  BUILD_NOT_PAUSED: 409,
  BATCH_IN_PROGRESS: 409,
  IDEMPOTENCY_MISMATCH: 422,
  LIMIT_EXCEEDED: 429,
  RANGE_NOT_SATISFIABLE: 416,
  DATABASE_UNAVAILABLE: 503,
  QUEUE_UNAVAILABLE: 503,
  DOCKER_UNAVAILABLE: 503,
  STORAGE_FULL: 507,
  STORAGE_UNAVAILABLE: 503,
  LOG_APPEND_FAILED: 500,
  LEASE_LOST: 500,
  WORKER_LOST: 500,
  SANDBOX_LOST: 500,
  BLOB_CORRUPT: 500,
  INTERNAL: 500,
  MALFORMED_BODY: 400,
  MALFORMED_URL: 400,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  REQUEST_TIMEOUT: 408,
  IDEMPOTENCY_IN_PROGRESS: 409,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  HEADERS_TOO_LARGE: 431,
  SHUTTING_DOWN: 503,
};

describe('toProblem', () => {
  it.each([...REFUSAL_CODES, ...FAULT_CODES, ...HTTP_REFUSAL_CODES])('has a status for %s', (code) => {
    expect(rowOf(code).status).toBe(STATUSES[code]);
  });

  it('gives a refusal with its findings and a name for its type', () => {
    const findings = [{ field: 'name', expected: 'a text', got: 'nothing' }];
    const { problem, ours } = toProblem(new Refusal('INVALID_INPUT', 'no name', { findings }), 'r-1');
    expect(problem).toEqual({
      type: 'urn:kilnyard:problem:invalid-input',
      title: 'The request is not valid',
      status: 400,
      code: 'INVALID_INPUT',
      detail: 'no name',
      requestId: 'r-1',
      findings,
    });
    expect(ours).toBe(false);
  });

  it.each([
    ['401 says how to authenticate', new Refusal('UNAUTHENTICATED', 'x'), 'www-authenticate'],
    ['503 says when to try again', new Fault('DATABASE_UNAVAILABLE', 'x'), 'retry-after'],
    ['507 says when to try again', new Fault('STORAGE_FULL', 'x'), 'retry-after'],
    ['429 says when to try again', new Refusal('LIMIT_EXCEEDED', 'x'), 'retry-after'],
    ['405 says what is allowed', new HttpRefusal('METHOD_NOT_ALLOWED', 'x', { headers: { allow: 'GET' } }), 'allow'],
  ])('%s', (_, error, header) => {
    expect(toProblem(error, 'r').headers).toHaveProperty(header);
  });

  it.each([
    ['an unknown error', new Error('password hush at 10.0.0.7')],
    ['a fault that is a bug', new Fault('INTERNAL', 'password hush at 10.0.0.7')],
    ['a database that is away', new Fault('DATABASE_UNAVAILABLE', 'password hush at 10.0.0.7')],
    ['a worker word that strayed into the API', new PhaseFailure('CLIENT_ERROR', 'password hush at 10.0.0.7')],
    ['something that is no error', 'password hush at 10.0.0.7'],
  ])('tells nothing of %s', (_, thrown) => {
    const { problem, ours } = toProblem(thrown, 'r');
    expect(JSON.stringify(problem)).not.toMatch(/hush|10\.0\.0\.7/);
    expect(problem.status).toBeGreaterThanOrEqual(500);
    expect(ours).toBe(true);
  });
});
