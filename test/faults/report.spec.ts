import { expect, it } from '@jest/globals';
import { Findings } from './findings.js';
import { reportOf } from './report.js';

it('a report names seed, builds, faults by kind, and every violation', async () => {
  const findings = new Findings();
  findings.note('build 1 (long): ends as it should', null);
  findings.note('build 2 (long): its commands ran once', 'they ran 2 times');
  await findings.check('no lease is held', () => {
    throw new Error('no answer');
  });
  const text = reportOf({
    seed: 7,
    seconds: 12,
    builds: [
      { kind: 'long', status: 'SUCCEEDED' },
      { kind: 'long', status: 'FAULT' },
    ],
    endedByFullDisk: 4,
    faults: [
      { kind: 'kill-worker', injected: true },
      { kind: 'kill-engine', injected: false },
    ],
    findings,
    probe: { answers: 8, away: 2 },
    containers: { waited: 5, made: 3 },
  });
  expect(text).toMatch(/^seed 7, 12 s\nbuilds: 2\n {2}long +1 FAULT, 1 SUCCEEDED\n/);
  expect(text).toMatch(/faults: 1 of 2\n {2}kill-worker +1 of 1\n {2}kill-engine +0 of 1\n/);
  expect(text).toContain('the full disk ended 4 builds\n');
  expect(text).toContain('containers: 5 had waited, 3 were made for their build\n');
  expect(text).toContain('asked 10 times in passing, and was away 2 times');
  expect(text).toContain('VIOLATION  build 2 (long): its commands ran once: they ran 2 times\n');
  expect(text).toContain('VIOLATION  no lease is held: could not be verified: Error: no answer');
  expect(text).toMatch(/losses: 2\n$/);
});
