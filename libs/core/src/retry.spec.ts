import { describe, expect, it } from '@jest/globals';
import { FINAL_STATUSES } from './phase.js';
import {
  DEFAULT_RETRY_CAUSES,
  MAX_GIVE_BACKS,
  MAX_LOST_STARTS,
  RETRY_CAUSES,
  retryCause,
  retryRule,
  type AttemptEnd,
  type PastRetries,
  type RetryPolicy,
} from './retry.js';

const NONE: PastRetries = { AUTO_RETRY: 0, LOST_START: 0, GIVEN_BACK: 0, ON_FAILURE: 0 };
const context = (more: { exitCode?: number; faultCode?: 'WORKER_LOST' | 'SANDBOX_LOST' | 'STORAGE_FULL' } = {}) => ({
  statusCode: 'X',
  message: 'why',
  ...more,
});
const end = (over: Partial<AttemptEnd>): AttemptEnd => ({
  status: 'FAILED',
  context: context(),
  handedOver: true,
  givenBack: false,
  stopRequested: false,
  buildspecRetries: 0,
  ...over,
});
const failed = (exitCode?: number) => end({ context: context(exitCode === undefined ? {} : { exitCode }) });
const lost = (over: Partial<AttemptEnd> = {}) =>
  end({ status: 'FAULT', context: context({ faultCode: 'WORKER_LOST' }), ...over });

describe('the cause of an end', () => {
  it.each([
    ['a worker that is gone', 'FAULT', 'WORKER_LOST', 'WORKER_LOST'],
    ['a container that is gone', 'FAULT', 'SANDBOX_LOST', 'WORKER_LOST'],
    ['an engine that is gone', 'FAULT', 'DOCKER_UNAVAILABLE', 'WORKER_LOST'],
    ['a full disk', 'FAULT', 'STORAGE_FULL', 'FAULT'],
    ['a fault of an older worker, which names none', 'FAULT', undefined, 'FAULT'],
    ['a failure', 'FAILED', undefined, 'FAILED'],
    ['a timeout', 'TIMED_OUT', undefined, 'TIMED_OUT'],
    ['a stop', 'STOPPED', undefined, null],
    ['success', 'SUCCEEDED', undefined, null],
  ] as const)('%s', (_, status, faultCode, cause) => {
    const told = { statusCode: '', message: '', ...(faultCode === undefined ? {} : { faultCode }) };
    expect(retryCause({ status, context: told })).toBe(cause);
  });
});

describe('another attempt', () => {
  const only = (...causes: RetryPolicy['causes']): RetryPolicy => ({ causes });
  it.each<[string, AttemptEnd, { autoRetryLimit?: number; retryPolicy?: RetryPolicy }, PastRetries, string | null]>([
    ['none without a limit', failed(1), {}, NONE, null],
    ['none with limit 0', failed(1), { autoRetryLimit: 0 }, NONE, null],
    ['a policy alone is no limit', failed(1), { retryPolicy: only('FAILED') }, NONE, null],
    ['a failure, as CodeBuild does', failed(1), { autoRetryLimit: 1 }, NONE, 'AUTO_RETRY'],
    ['until the limit', failed(1), { autoRetryLimit: 2 }, { ...NONE, AUTO_RETRY: 1 }, 'AUTO_RETRY'],
    ['and not past it', failed(1), { autoRetryLimit: 2 }, { ...NONE, AUTO_RETRY: 2 }, null],
    ['free restarts do not count', failed(1), { autoRetryLimit: 1 }, { ...NONE, LOST_START: 3 }, 'AUTO_RETRY'],
    ['a fault', lost(), { autoRetryLimit: 1 }, NONE, 'AUTO_RETRY'],
    ['a timeout only when asked for', end({ status: 'TIMED_OUT' }), { autoRetryLimit: 1 }, NONE, null],
    [
      'a timeout that is asked for',
      end({ status: 'TIMED_OUT' }),
      { autoRetryLimit: 1, retryPolicy: only('TIMED_OUT') },
      NONE,
      'AUTO_RETRY',
    ],
    ['another cause than asked for', failed(1), { autoRetryLimit: 1, retryPolicy: only('WORKER_LOST') }, NONE, null],
    [
      'an exit status of the list',
      failed(75),
      { autoRetryLimit: 1, retryPolicy: { causes: ['FAILED'], exitCodes: [75, 0] } },
      NONE,
      'AUTO_RETRY',
    ],
    [
      'an exit status beside the list',
      failed(1),
      { autoRetryLimit: 1, retryPolicy: { causes: ['FAILED'], exitCodes: [75] } },
      NONE,
      null,
    ],
    [
      'a failure that is no command’s',
      failed(),
      { autoRetryLimit: 1, retryPolicy: { causes: ['FAILED'], exitCodes: [75] } },
      NONE,
      null,
    ],
    [
      'the list is for FAILED alone',
      lost(),
      { autoRetryLimit: 1, retryPolicy: { causes: ['FAILED', 'WORKER_LOST'], exitCodes: [75] } },
      NONE,
      'AUTO_RETRY',
    ],
    ['never after a stop', end({ status: 'STOPPED' }), { autoRetryLimit: 9 }, NONE, null],
    ['never when a stop was asked for', { ...failed(1), stopRequested: true }, { autoRetryLimit: 9 }, NONE, null],
    ['never after success', end({ status: 'SUCCEEDED' }), { autoRetryLimit: 9 }, NONE, null],
    ['lost before user code', lost({ handedOver: false }), {}, NONE, 'LOST_START'],
    ['lost with a policy for nothing', lost({ handedOver: false }), { retryPolicy: only() }, NONE, 'LOST_START'],
    ['lost before user code, stopped', lost({ handedOver: false, stopRequested: true }), {}, NONE, null],
    ['lost too often', lost({ handedOver: false }), {}, { ...NONE, LOST_START: MAX_LOST_STARTS }, null],
    [
      'lost too often, and then the policy',
      lost({ handedOver: false }),
      { autoRetryLimit: 1 },
      { ...NONE, LOST_START: MAX_LOST_STARTS },
      'AUTO_RETRY',
    ],
    ['given back', lost({ handedOver: false, givenBack: true }), {}, { ...NONE, LOST_START: 3 }, 'GIVEN_BACK'],
    [
      'given back too often',
      lost({ handedOver: false, givenBack: true }),
      {},
      { ...NONE, GIVEN_BACK: MAX_GIVE_BACKS },
      null,
    ],
    ['as the buildspec asks', { ...failed(1), buildspecRetries: 3 }, {}, { ...NONE, ON_FAILURE: 2 }, 'ON_FAILURE'],
    ['not more often than it asks', { ...failed(1), buildspecRetries: 3 }, {}, { ...NONE, ON_FAILURE: 3 }, null],
    [
      'as the project says, when what the buildspec asks is used up',
      { ...failed(1), buildspecRetries: 1 },
      { autoRetryLimit: 1 },
      { ...NONE, ON_FAILURE: 1 },
      'AUTO_RETRY',
    ],
    [
      'the buildspec’s own are not the project’s',
      { ...failed(1), buildspecRetries: 2 },
      { autoRetryLimit: 1 },
      { ...NONE, AUTO_RETRY: 1, ON_FAILURE: 1 },
      'ON_FAILURE',
    ],
    ['the buildspec asks after failures alone', lost({ buildspecRetries: 3 }), {}, NONE, null],
    [
      'not as the buildspec asks when a stop was asked for',
      { ...failed(1), buildspecRetries: 3, stopRequested: true },
      {},
      NONE,
      null,
    ],
    [
      'another fault before user code is no loss',
      end({ status: 'FAULT', context: context({ faultCode: 'STORAGE_FULL' }), handedOver: false }),
      {},
      NONE,
      null,
    ],
  ])('%s', (_, ended, project, past, rule) => {
    expect(retryRule(ended, project, past)).toBe(rule);
  });

  it('always comes to an end, whatever the policy', () => {
    for (const status of FINAL_STATUSES)
      for (const handedOver of [true, false])
        for (const givenBack of [true, false]) {
          const past = { ...NONE };
          const ended = lost({ status, handedOver, givenBack });
          let attempts = 1;
          for (;;) {
            const rule = retryRule(ended, { autoRetryLimit: 10, retryPolicy: { causes: [...RETRY_CAUSES] } }, past);
            if (rule === null) break;
            past[rule] += 1;
            attempts += 1;
          }
          expect(attempts).toBeLessThanOrEqual(1 + 10 + MAX_GIVE_BACKS);
        }
  });

  it('of a project without a policy leaves out timeouts alone', () => {
    expect(RETRY_CAUSES.filter((cause) => !DEFAULT_RETRY_CAUSES.includes(cause))).toEqual(['TIMED_OUT']);
  });
});
