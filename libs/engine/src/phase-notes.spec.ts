import { expect, it } from '@jest/globals';
import { Fault } from '#core/errors.js';
import { type BuildState, transition, type TransitionEvent } from '#core/transitions.js';
import { PhaseNotes } from './phase-notes.js';
import type { BuildJournal, PhaseNote } from './ports.js';

const note = (event: TransitionEvent): PhaseNote => ({ phase: 'INSTALL', event, contexts: [], at: new Date(0) });

class Journal {
  readonly written: TransitionEvent[][] = [];
  state: BuildState = { status: 'IN_PROGRESS', phase: 'INSTALL', failing: false };
  hold: () => Promise<void> = async () => {};

  async applyAll(notes: readonly PhaseNote[]): Promise<BuildState> {
    await this.hold();
    this.written.push(notes.map(({ event }) => event));
    for (const { event } of notes) this.state = transition(this.state, event as never);
    return this.state;
  }
}

const open = () => {
  const journal = new Journal();
  const failures: unknown[] = [];
  const notes = new PhaseNotes(journal as unknown as BuildJournal, (error) => failures.push(error));
  return { journal, notes, failures };
};

it('writes together what is told together, and in order what comes while it writes', async () => {
  const { journal, notes } = open();
  let release = () => {};
  journal.hold = () => new Promise<void>((resolve) => (release = resolve));
  notes.add(note('SUCCEED'));
  notes.add(note('SUCCEED'));
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  notes.add(note('FAIL'));
  const last = notes.write(note('SUCCEED'));
  expect(journal.written).toEqual([]);
  journal.hold = async () => {};
  release();
  expect(await last).toEqual(journal.state);
  expect(journal.written).toEqual([
    ['SUCCEED', 'SUCCEED'],
    ['FAIL', 'SUCCEED'],
  ]);
});

it('writes nothing after a failure, and tells it with each call', async () => {
  const { journal, notes, failures } = open();
  const lost = new Fault('LEASE_LOST', 'another worker has it');
  journal.hold = () => Promise.reject(lost);
  notes.add(note('SUCCEED'));
  await expect(notes.settled()).rejects.toBe(lost);
  journal.hold = async () => {};
  expect(() => notes.add(note('SUCCEED'))).toThrow(lost);
  await expect(notes.write(note('SUCCEED'))).rejects.toBe(lost);
  expect(journal.written).toEqual([]);
  expect(failures).toEqual([lost]);
});
