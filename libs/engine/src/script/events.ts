// Reads what a build's script tells on its events file. The file is writable by strangers' code: every line is suspect, an
// unknown one is ignored, numbers and lengths are bounded.
import { RESUMED_BY, type ResumedBy } from '#core/build.js';
import { COMMAND_PHASES, type CommandPhase } from '#core/phase.js';

/** In the order in which a phase runs them. */
export const COMMAND_LISTS = ['runtimes', 'commands', 'finally'] as const;
export type CommandList = (typeof COMMAND_LISTS)[number];

/**
 * What there is to say of a failed command beside its exit status. `oom`: the kernel killed something of the build for want of memory while
 * it ran. `no-user`, `no-su`: it was not run, since the image does not have the user of run-as, or no program to become that user.
 */
export const FAILURE_NOTES = ['oom', 'no-user', 'no-su'] as const;
export type FailureNote = (typeof FAILURE_NOTES)[number];

/** Pauses by codebuild-breakpoint in one attempt; what comes after is passed over. */
export const MAX_PAUSES = 100;

export type ScriptEvent =
  /** User code may run from here on. */
  | { kind: 'start' }
  | { kind: 'begin'; phase: CommandPhase; at: Date }
  | { kind: 'finish'; phase: CommandPhase; at: Date; succeeded: true }
  | {
      kind: 'finish';
      phase: CommandPhase;
      at: Date;
      succeeded: false;
      list: CommandList;
      index: number;
      exitCode: number;
      note: FailureNote | null;
    }
  | { kind: 'value'; of: 'export' | 'expand'; id: string; text: string }
  /** The image lacks what the buildspec asks for. */
  | { kind: 'unusable'; what: string }
  /** codebuild-breakpoint waits. `number`: from 1. */
  | { kind: 'pause'; number: number; at: Date }
  | { kind: 'resume'; number: number; by: ResumedBy }
  /** The process that stores the output ended before its time. */
  | { kind: 'pump'; exitCode: number }
  | { kind: 'end' };

/**
 * One line of the events file.
 * In: the line without its newline. Out: the event, or null for a line that is none.
 */
export function readEvent(line: string): ScriptEvent | null {
  const [kind = '', a = '', b = '', c = '', ...rest] = line.split(' ');
  switch (kind) {
    case 'start':
      return { kind };
    case 'end':
      return { kind };
    case 'pump':
      return /^\d{1,3}$/.test(a) ? { kind, exitCode: Number(a) } : null;
    case 'unusable':
      return { kind, what: a };
    case 'begin': {
      const phase = commandPhase(a);
      const at = stamp(b);
      return phase && at ? { kind, phase, at } : null;
    }
    case 'finish':
      return finish(a, b, c, rest);
    case 'pause': {
      const number = pauseNumber(a);
      const at = stamp(b);
      return number !== null && at ? { kind, number, at } : null;
    }
    case 'resume': {
      const number = pauseNumber(a);
      const by = RESUMED_BY.find((one) => one === b);
      return number !== null && by ? { kind, number, by } : null;
    }
    case 'value':
      if (a !== 'export' && a !== 'expand') return null;
      return { kind, of: a, id: b, text: unescape(line.slice(kind.length + a.length + b.length + 3)) };
    default:
      return null;
  }
}

/** The line that ends a pause, without its newline. */
export function resumeLine(number: number, by: ResumedBy): string {
  return `resume ${number} ${by}`;
}

function pauseNumber(text: string): number | null {
  const number = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : null;
  return number !== null && number <= MAX_PAUSES ? number : null;
}

function finish(name: string, state: string, time: string, rest: string[]): ScriptEvent | null {
  const phase = commandPhase(name);
  const at = stamp(time);
  if (!phase || !at) return null;
  if (state === 'SUCCEEDED') return { kind: 'finish', phase, at, succeeded: true };
  const [listed, index, code, why] = rest;
  const list = COMMAND_LISTS.find((one) => one === listed);
  const exitCode = Number(code);
  if (state !== 'FAILED' || list === undefined) return null;
  if (!Number.isInteger(exitCode) || !Number.isInteger(Number(index))) return null;
  return {
    kind: 'finish',
    phase,
    at,
    succeeded: false,
    list,
    index: Number(index),
    exitCode,
    note: FAILURE_NOTES.find((note) => note === why) ?? null,
  };
}

function commandPhase(name: string): CommandPhase | undefined {
  return COMMAND_PHASES.find((phase) => phase === name);
}

function stamp(text: string): Date | null {
  if (!/^\d{1,11}(\.\d{1,9})?$/.test(text)) return null;
  return new Date(Math.floor(Number(text) * 1000));
}

function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}
