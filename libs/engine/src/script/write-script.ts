// Turns a plan into the one script that a container runs to its end by itself (design, decision 2).
// Pure: text in, text out. The shell that it is built from lies beside it in *.sh files.
import { readFileSync } from 'node:fs';
import { COMMAND_PHASES, type CommandPhase } from '#core/phase.js';
import { TRANSITIONS } from '#core/transitions.js';
import { shellExpansion, shellQuote } from './shell-quote.js';

const part = (name: string): string => readFileSync(new URL(`./${name}.sh`, import.meta.url), 'utf8');
const PRELUDE = part('prelude');
const RESTORE = part('restore');
const TAIL = part('tail');
const VALUES = part('values');

/** Characters of an exported variable's value. A longer one is not exported, which the log says. */
export const MAX_EXPORTED_LENGTH = 32_768;

export interface ScriptPhase {
  type: CommandPhase;
  /** Run first, as root. */
  runtimes?: readonly string[];
  commands: readonly string[];
  finally: readonly string[];
  runAs: string | null;
  onFailure: 'ABORT' | 'CONTINUE' | null;
}

export interface ScriptPlan {
  /** Control folder inside the sandbox. */
  controlRoot: string;
  /** Folder for the command's script and the carried environment; empty at the start, best a tmpfs. */
  tempDir: string;
  /** CODEBUILD_SRC_DIR. */
  sourceDir: string;
  shell: 'sh' | 'bash';
  /** False for buildspec version 0.1, where every command starts afresh in sourceDir. */
  carry: boolean;
  /** The source may belong to another user than the one who runs its commands. */
  foreignOwner?: boolean;
  /** User of all commands that name no other. Before a user's first command sourceDir is given to it. */
  runAs: string | null;
  /** In order of precedence, the last wins; values are literal. */
  variables: readonly { name: string; value: string }[];
  phases: readonly ScriptPhase[];
  /** Names whose values are wanted at the end. */
  exported: readonly string[];
  /** Texts in which variables and `$(…)` are wanted resolved at the end; told by their index. */
  expansions: readonly string[];
  /** Folder of programs that a build finds behind those of its image; absent: none. */
  toolsDir?: string;
  /** False where the sandbox has no process namespace of its own: then nothing is killed at the end. */
  ownProcesses: boolean;
}

/**
 * The script for one build.
 * Order of what it tells on the events file: `start`, for each phase that runs `begin` and `finish`, `value` lines, `end`
 * (events.ts reads them). Which phase follows a failed one comes from core's TRANSITIONS.
 */
export function writeScript(plan: ScriptPlan): string {
  const users = plan.runAs !== null || plan.phases.some((phase) => phase.runAs !== null);
  const body = [
    `K=${shellQuote(plan.controlRoot)} T=${shellQuote(plan.tempDir)} SRC=${shellQuote(plan.sourceDir)}`,
    `CARRY=${plan.carry ? 1 : 0} K_USERS=${users ? 1 : ''}`,
    PRELUDE,
    'k_pump',
    plan.ownProcesses ? `K_PROC='/proc/[0-9]*'` : `K_PROC=`,
    chooseShell(plan.shell),
    `k_event start "$$"`,
    `k_prepare ${shellQuote(RESTORE)} ${shellQuote(TAIL)} ${shellQuote(exportLines(plan, users || plan.foreignOwner === true))}`,
    'K_NEXT=INSTALL',
    ...plan.phases.map((phase) => phaseBlock(phase, plan.runAs)),
    values(plan),
    'k_end "$K_OK"',
    'exit 0',
  ];
  return `k_main() {\n${body.join('\n')}\n}\nk_main\n`;
}

function chooseShell(shell: 'sh' | 'bash'): string {
  if (shell === 'sh') return 'SH=/bin/sh';
  return [
    'SH=$(command -v bash) || {',
    `  k_say ${shellQuote('The buildspec asks for env.shell bash, which this image does not have')}`,
    '  k_event unusable bash',
    '  k_end 0',
    '  exit 1',
    '}',
  ].join('\n');
}

/** git refuses a source that another user owns; inside one build's container all users are the build's own. */
const ANY_OWNER = [
  { name: 'GIT_CONFIG_COUNT', value: '1' },
  { name: 'GIT_CONFIG_KEY_0', value: 'safe.directory' },
  { name: 'GIT_CONFIG_VALUE_0', value: '*' },
];

function exportLines(plan: ScriptPlan, anyOwner: boolean): string {
  const lines = [...(anyOwner ? ANY_OWNER : []), ...plan.variables].map(
    ({ name, value }) => `export ${name}=${shellQuote(value)}`,
  );
  if (plan.toolsDir !== undefined) lines.push(`export PATH="$PATH:"${shellQuote(plan.toolsDir)}`);
  return lines.join('\n');
}

function phaseBlock(phase: ScriptPhase, runAs: string | null): string {
  const user = shellQuote(phase.runAs ?? runAs ?? '');
  const run = (list: 'commands' | 'finally'): string[] =>
    phase[list].map((text, index) => `k_command ${list} ${index} ${user} ${shellQuote(text)}`);
  const failed = phase.onFailure === null ? 'FAIL' : (`FAIL_${phase.onFailure}` as const);
  return [
    `if [ "$K_NEXT" = ${phase.type} ]; then`,
    `k_phase_begin ${phase.type}`,
    ...(phase.runtimes ?? []).map((text, index) => `k_command runtimes ${index} '' ${shellQuote(text)}`),
    ...run('commands'),
    'K_STOP=',
    ...run('finally'),
    `if k_phase_end; then K_NEXT=${next(phase.type, 'SUCCEED')}; else K_NEXT=${next(phase.type, failed)}; fi`,
    'fi',
  ].join('\n');
}

/** The command phase that follows, or `none` when the script's part is over. */
function next(phase: CommandPhase, event: 'SUCCEED' | 'FAIL' | 'FAIL_CONTINUE' | 'FAIL_ABORT'): string {
  const to = TRANSITIONS[phase][event];
  return COMMAND_PHASES.find((name) => name === to) ?? 'none';
}

/** One subshell a text, so that a broken one spoils no other. */
function values(plan: ScriptPlan): string {
  if (plan.exported.length === 0 && plan.expansions.length === 0) return '';
  const lines = [
    `__k_events=${shellQuote(`${plan.controlRoot}/events`)}`,
    `__k_nl='\n' __k_most=${MAX_EXPORTED_LENGTH}`,
    VALUES,
    ...plan.exported.map((name) => `[ -z "\${${name}+x}" ] || k_exported ${name} "$${name}"`),
    ...plan.expansions.map(
      (text, index) => `(eval ${shellQuote(`__k_v=${shellExpansion(text)}`)} && k_value expand ${index} "$__k_v")`,
    ),
  ];
  return `CARRY=0\nk_run ${shellQuote(lines.join('\n'))} ${shellQuote(plan.runAs ?? '')}`;
}
