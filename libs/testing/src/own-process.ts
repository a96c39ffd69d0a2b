// A program of a test's own that it may kill, stop and start again. Nothing starts it again by itself.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Program {
  name: string;
  command: string;
  args: readonly string[];
  /** In a process group of its own: Ctrl-C on the terminal is not for it, and what it leaves behind goes with it. */
  apart: boolean;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Written to its standard input. */
  input?: string;
  logFile: string;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class OwnProcess {
  /** Resolves when it has ended, however. */
  readonly ended: Promise<Ended>;
  end: Ended | null = null;

  private constructor(
    readonly program: Program,
    private readonly child: ChildProcess,
  ) {
    this.ended = new Promise((resolve) =>
      child.once('exit', (code, signal) => {
        this.end = { code, signal };
        resolve(this.end);
      }),
    );
  }

  /** Resolves when it runs. Errors: the system's when it cannot be started. */
  static async start(program: Program): Promise<OwnProcess> {
    const { command, args, apart, env, cwd, uid, gid, input, logFile } = program;
    const log = openSync(logFile, 'a', 0o600);
    const stdin = input === undefined ? 'ignore' : 'pipe';
    const child = spawn(command, args, { env, cwd, uid, gid, detached: apart, stdio: [stdin, log, log] });
    closeSync(log);
    const started = new OwnProcess(program, child);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.stdin?.on('error', () => undefined); // it died before it read its input: its exit tells
    child.stdin?.end(input);
    return started;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get running(): boolean {
    return this.end === null;
  }

  /** To the program alone, as an operator's `kill` does. One that has ended is fine. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends the signal, and SIGKILL after `graceMs`. Resolves when it is gone. */
  async stop(signal: NodeJS.Signals, graceMs: number): Promise<Ended> {
    this.signal(signal);
    const late = sleep(graceMs, 'late' as const, { ref: false });
    if ((await Promise.race([this.ended, late])) === 'late') this.signal('SIGKILL');
    const ended = await this.ended;
    if (!this.program.apart) return ended;
    try {
      process.kill(-this.pid, 'SIGKILL'); // what it left in its group
    } catch {
      // ESRCH: it left nothing
    }
    return ended;
  }
}

/** Asks until `answers` does not throw. Errors: the last of its errors after `withinMs`, or when the process ended. */
export async function ready(what: OwnProcess, withinMs: number, answers: () => Promise<unknown>): Promise<void> {
  const giveUpAt = Date.now() + withinMs;
  for (;;) {
    try {
      await answers();
      return;
    } catch (cause) {
      const { name, logFile } = what.program;
      if (!what.running) throw new Error(`${name} ended before it was ready (see ${logFile})`, { cause });
      if (Date.now() > giveUpAt)
        throw new Error(`${name} was not ready within ${withinMs / 1000} s (see ${logFile})`, { cause });
    }
    await sleep(30);
  }
}
