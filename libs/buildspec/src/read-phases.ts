// Reads `phases` and `run-as` (codebuild-contract C4).
import {
  PHASE_NAMES,
  RUNTIMES,
  type Buildspec,
  type BuildspecPhase,
  type OnFailure,
  type PhaseName,
} from './buildspec.js';
import { errorPattern } from './error-pattern.js';
import { excerpt } from './findings.js';
import { ON_FAILURE_EXPECTED, parseOnFailure } from './on-failure.js';
import type { Section } from './section.js';
import { closest } from './suggest.js';

const PHASE_KEYS = ['commands', 'finally', 'run-as', 'on-failure', 'steps'];
const OTHER_NAMES = new Map([
  ['go', 'golang'],
  ['jdk', 'java'],
  ['openjdk', 'java'],
  ['corretto', 'java'],
]);
/** What useradd takes, and not an option of the program that changes the user. */
const USER_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$/;

/** Out: the phases that have a value, whatever their order in the text, and the runtime versions of install. */
export function readPhases(top: Section): Pick<Buildspec, 'phases' | 'runtimeVersions'> {
  const phases: Buildspec['phases'] = {};
  let runtimeVersions: Buildspec['runtimeVersions'] = [];
  const section = top.section('phases');
  section?.warnUnknown(PHASE_NAMES);
  for (const name of PHASE_NAMES) {
    const phase = section?.section(name);
    if (!phase) continue;
    phases[name] = readPhase(phase, name);
    if (name === 'install') runtimeVersions = readRuntimeVersions(phase);
  }
  return { phases, runtimeVersions };
}

function readPhase(phase: Section, name: PhaseName): BuildspecPhase {
  phase.warnUnknown(name === 'install' ? [...PHASE_KEYS, 'runtime-versions'] : PHASE_KEYS);
  if (phase.node('steps') !== null) {
    phase.refuse('steps', 'commands (Kilnyard does not run GitHub Actions steps)', 'steps');
  }
  return {
    commands: phase.list('commands', 'Commands'),
    finally: phase.list('finally', 'Finally'),
    runAs: readRunAs(phase),
    onFailure: readOnFailure(phase),
  };
}

function readOnFailure(phase: Section): OnFailure {
  const text = phase.text('on-failure');
  if (text === null) return { action: 'DEFAULT' };
  const onFailure = parseOnFailure(text);
  if (onFailure === null) {
    phase.refuse('on-failure', ON_FAILURE_EXPECTED, excerpt(text), closest(text, ['ABORT', 'CONTINUE', 'RETRY']));
  } else if (onFailure.action === 'RETRY' && onFailure.pattern !== null && errorPattern(onFailure.pattern) === null) {
    phase.warn('on-failure', 'a regular expression (this one never matches)', excerpt(onFailure.pattern));
  }
  return onFailure ?? { action: 'DEFAULT' };
}

/** `run-as` of the top level or of a phase: a user name, or null. */
export function readRunAs(section: Section): string | null {
  const user = section.text('run-as');
  if (user !== null && !USER_NAME.test(user)) {
    section.refuse('run-as', 'the name of a Linux user (letters, digits, . _ -, at most 32)', excerpt(user));
  }
  return user;
}

/** Versions are their source text: unquoted 3.10 is `3.10`. */
function readRuntimeVersions(install: Section): Buildspec['runtimeVersions'] {
  return install.pairs('runtime-versions').map(({ name, value }) => {
    const key = `runtime-versions.${name}`;
    if (value === '') install.refuse(key, 'a version', 'nothing');
    if (!RUNTIMES.some((known) => known === name)) {
      const suggestion = OTHER_NAMES.get(name.toLowerCase()) ?? closest(name, RUNTIMES);
      install.warn(key, `one of ${RUNTIMES.join(', ')}`, excerpt(name), suggestion);
    }
    return { name, version: value };
  });
}
