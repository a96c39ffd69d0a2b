import { describe, expect, it } from '@jest/globals';
import type { TransitionEvent } from '#core/transitions.js';
import { LocalJournal } from './local-journal.js';

const failure = { statusCode: 'COMMAND_EXECUTION_ERROR', message: 'exit status 1' };

async function through(journal: LocalJournal, ...events: TransitionEvent[]) {
  let state;
  for (const event of events) state = await journal.apply(event, [{ statusCode: '', message: '' }]);
  return state;
}

describe('the journal of a local run', () => {
  it('goes through the phases', async () => {
    const journal = new LocalJournal();
    const good = Array.from({ length: 8 }, () => 'SUCCEED' as const);
    expect(await through(journal, ...good)).toEqual({ status: 'SUCCEEDED', phase: 'COMPLETED', failing: false });
    expect(journal.lastFailure).toBe('');
  });

  it('tells why the build failed: the phase that failed first and counts', async () => {
    const journal = new LocalJournal();
    await through(journal, 'SUCCEED', 'SUCCEED');
    await journal.apply('FAIL_CONTINUE', [{ ...failure, message: 'not this one' }]);
    await through(journal, 'SUCCEED');
    await journal.apply('FAIL', [failure]);
    await journal.apply('FAIL', [{ ...failure, message: 'nor this' }]);
    expect(await through(journal, 'SUCCEED', 'SUCCEED')).toMatchObject({ status: 'FAILED' });
    expect(journal.lastFailure).toBe('BUILD COMMAND_EXECUTION_ERROR exit status 1');
  });

  it('grants another attempt as often as the buildspec asks for', async () => {
    const journal = new LocalJournal();
    for (const phase of ['QUEUED', 'QUEUED', 'COMPLETED']) {
      journal.begin();
      await through(journal, 'SUCCEED', 'SUCCEED');
      await journal.apply('FAIL_ABORT', [{ ...failure, retryLimit: 2 }]);
      expect(await through(journal, 'SUCCEED')).toMatchObject({ phase });
    }
  });

  it('makes up for no engine that fails', async () => {
    const journal = new LocalJournal();
    const fault = { statusCode: 'INTERNAL_SERVICE_ERROR', message: 'away', faultCode: 'DOCKER_UNAVAILABLE' as const };
    expect(await journal.apply('FAULT', [fault])).toMatchObject({ status: 'FAULT', phase: 'COMPLETED' });
  });

  it('never retries a build that was stopped', async () => {
    const journal = new LocalJournal();
    expect(await through(journal, 'SUCCEED', 'STOP')).toMatchObject({ status: 'STOPPED', phase: 'COMPLETED' });
  });
});
