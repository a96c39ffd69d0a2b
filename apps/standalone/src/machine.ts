// What this machine is and may do: the system, who we are, which programs there are, and running one of them to its end.
import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Machine {
  /** ID of os-release: debian, ubuntu, fedora …; empty where there is none. */
  system: string;
  /** VERSION_CODENAME: bookworm, noble …; may be empty. */
  codename: string;
  root: boolean;
  /** Debian or Ubuntu, as root, with apt-get: missing packages may be installed. */
  mayInstall: boolean;
}

export function thisMachine(): Machine {
  const release = readOsRelease();
  const system = release.ID ?? '';
  const root = process.getuid?.() === 0;
  const family = [system, ...(release.ID_LIKE ?? '').split(' ')];
  const mayInstall =
    root && family.some((id) => id === 'debian' || id === 'ubuntu') && findProgram('apt-get') !== undefined;
  return { system, codename: release.VERSION_CODENAME ?? '', root, mayInstall };
}

function readOsRelease(): Record<string, string> {
  try {
    return parseOsRelease(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return {}; // not a Linux that says what it is: treated as a system where nothing may be installed
  }
}

/** `KEY="value"` lines to a record; other lines are passed over. */
export function parseOsRelease(text: string): Record<string, string> {
  const pairs = text.split('\n').map((line) => /^([A-Z_]+)=(.*)$/.exec(line.trim()));
  return Object.fromEntries(
    pairs.flatMap((pair) => (pair ? [[pair[1] ?? '', (pair[2] ?? '').replace(/^(["'])(.*)\1$/, '$2')]] : [])),
  );
}

/** Full path of a program on PATH or in the folders where system programs lie; undefined when there is none. */
export function findProgram(name: string): string | undefined {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/usr/bin',
    '/bin',
  ];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Ran {
  exitCode: number;
  /** The last 64 KiB of stdout and stderr together. */
  output: string;
}

/**
 * Runs a program to its end, away from the terminal's Ctrl-C group.
 * In: timeoutMs ends it with SIGKILL (then exitCode is 124); onLine hears its output line by line.
 * Errors: none for a failing program (see exitCode); 127 with the reason as output when it could not be started.
 */
export function run(
  command: string,
  args: readonly string[],
  options: {
    env?: NodeJS.ProcessEnv;
    cwd?: string;
    timeoutMs?: number;
    signal?: AbortSignal;
    uid?: number;
    gid?: number;
    onLine?: (line: string) => void;
  } = {},
): Promise<Ran> {
  const { onLine, timeoutMs, signal, ...rest } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...rest, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let timedOut = false;
    const end = () => killGroup(child.pid, 'SIGKILL');
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => ((timedOut = true), end()), timeoutMs);
    signal?.addEventListener('abort', end, { once: true });
    const hear = lineReader((line) => onLine?.(line));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-65_536);
        hear(text);
      });
    }
    const settle = (exitCode: number, extra = '') => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve({ exitCode: timedOut ? 124 : exitCode, output: (output + extra).trim() });
    };
    child.once('error', (error) => settle(127, error.message));
    child.once('close', (code) => settle(code ?? 137));
  });
}

function lineReader(hear: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? '';
    lines.forEach(hear);
  };
}

/** Sends a signal to a process group that we made (its leader's pid); one that is gone already is fine. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: it ended by itself meanwhile
  }
}
