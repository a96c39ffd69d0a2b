import { describe, expect, it } from '@jest/globals';
import { Refusal } from './errors.js';
import { BUILD_STATUSES, PHASE_TYPES, isFinal, type PhaseType } from './phase.js';
import { TRANSITIONS, TRANSITION_EVENTS, transition, type BuildState, type TransitionEvent } from './transitions.js';

const at = (phase: PhaseType, failing = false): BuildState => ({ status: 'IN_PROGRESS', phase, failing });

describe('transitions', () => {
  it('reach every phase from SUBMITTED', () => {
    const reached = new Set<PhaseType>(['SUBMITTED']);
    for (const phase of reached) for (const next of Object.values(TRANSITIONS[phase])) reached.add(next);
    expect([...reached].sort()).toEqual([...PHASE_TYPES].sort());
  });

  it('never go back: every event but RETRY leads to a later phase', () => {
    for (const phase of PHASE_TYPES)
      for (const [event, next] of Object.entries(TRANSITIONS[phase]))
        if (event !== 'RETRY') expect(PHASE_TYPES.indexOf(next)).toBeGreaterThan(PHASE_TYPES.indexOf(phase));
  });

  it('lead by RETRY from every phase that a worker holds, and from no other, back to the queue with a clean sheet', () => {
    const retried = PHASE_TYPES.filter((phase) => TRANSITIONS[phase].RETRY !== undefined);
    expect(retried).toEqual(PHASE_TYPES.slice(PHASE_TYPES.indexOf('PROVISIONING'), PHASE_TYPES.indexOf('COMPLETED')));
    for (const phase of retried)
      expect(transition(at(phase, true), 'RETRY')).toEqual({ status: 'IN_PROGRESS', phase: 'QUEUED', failing: false });
  });

  it('have no exit from COMPLETED', () => {
    for (const event of TRANSITION_EVENTS)
      expect(() => transition({ status: 'SUCCEEDED', phase: 'COMPLETED', failing: false }, event)).toThrow(Refusal);
  });

  it.each(PHASE_TYPES.flatMap((phase) => TRANSITION_EVENTS.map((event) => [phase, event] as const)))(
    '%s on %s: a next state of the table, or a refusal',
    (phase, event) => {
      const next = TRANSITIONS[phase][event];
      if (next === undefined)
        expect(() => transition(at(phase), event)).toThrow(expect.objectContaining({ code: 'ILLEGAL_TRANSITION' }));
      else {
        const state = transition(at(phase), event);
        expect(state.phase).toBe(next);
        expect(isFinal(state.status)).toBe(next === 'COMPLETED');
        expect(BUILD_STATUSES).toContain(state.status);
      }
    },
  );

  it.each<[string, TransitionEvent[], string, PhaseType[]]>([
    [
      'all goes well',
      Array.from({ length: 8 }, () => 'SUCCEED'),
      'SUCCEEDED',
      ['DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD', 'UPLOAD_ARTIFACTS', 'FINALIZING', 'COMPLETED'],
    ],
    [
      'a failing build still has its post_build and artifacts',
      ['SUCCEED', 'SUCCEED', 'SUCCEED', 'SUCCEED', 'FAIL', 'SUCCEED', 'SUCCEED', 'SUCCEED'],
      'FAILED',
      ['DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD', 'UPLOAD_ARTIFACTS', 'FINALIZING', 'COMPLETED'],
    ],
    [
      'a failing install skips to the end',
      ['SUCCEED', 'SUCCEED', 'FAIL', 'SUCCEED'],
      'FAILED',
      ['DOWNLOAD_SOURCE', 'INSTALL', 'FINALIZING', 'COMPLETED'],
    ],
    [
      'on-failure CONTINUE does not count',
      ['SUCCEED', 'SUCCEED', 'FAIL_CONTINUE', 'SUCCEED', 'SUCCEED', 'SUCCEED', 'SUCCEED', 'SUCCEED'],
      'SUCCEEDED',
      ['DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD', 'UPLOAD_ARTIFACTS', 'FINALIZING', 'COMPLETED'],
    ],
    [
      'on-failure ABORT skips post_build',
      ['SUCCEED', 'SUCCEED', 'SUCCEED', 'SUCCEED', 'FAIL_ABORT', 'SUCCEED'],
      'FAILED',
      ['DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'FINALIZING', 'COMPLETED'],
    ],
    ['a stop ends at once', ['SUCCEED', 'SUCCEED', 'STOP'], 'STOPPED', ['DOWNLOAD_SOURCE', 'INSTALL', 'COMPLETED']],
    [
      'a stop of a failing build is a stop',
      ['SUCCEED', 'SUCCEED', 'SUCCEED', 'SUCCEED', 'FAIL', 'STOP'],
      'STOPPED',
      ['DOWNLOAD_SOURCE', 'INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD', 'COMPLETED'],
    ],
    ['a fault of ours is no failure', ['FAULT'], 'FAULT', ['COMPLETED']],
    ['a timeout', ['SUCCEED', 'TIME_OUT'], 'TIMED_OUT', ['DOWNLOAD_SOURCE', 'COMPLETED']],
  ])('%s', (_, events, status, phases) => {
    let state = at('PROVISIONING');
    const seen = events.map((event) => (state = transition(state, event)).phase);
    expect(seen).toEqual(phases);
    expect(state.status).toBe(status);
  });
});
