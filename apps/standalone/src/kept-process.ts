// A program that we keep running: started in a process group of its own (Ctrl-C in the terminal does not reach it),
// its output in a file, started again with growing pauses when it dies, and ended for certain when we stop.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { killGroup } from './machine.js';
import type { ProcessTable } from './process-table.js';
import type { Say } from './say.js';

export interface KeptProgram {
  name: string;
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Written to its standard input, which is then closed. */
  input?: string;
  logFile: string;
  /** How it is asked to end, and how long it may take before SIGKILL. */
  stopSignal?: NodeJS.Signals;
  graceMs: number;
}

/** A log is moved aside (`.1`) at a start when it is larger than this. */
const LOG_KEEP_BYTES = 16 * 1024 * 1024;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A program that ran this long begins again with the shortest pause. */
const STEADY_MS = 60_000;

export class KeptProcess {
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();
  private pauseMs = FIRST_PAUSE_MS;
  private startedAtMs = 0;

  private constructor(
    private readonly program: KeptProgram,
    private readonly table: ProcessTable,
    private readonly say: Say,
  ) {}

  /** Starts it. Resolves when the program runs (not when it is ready). Errors: the system's own when it cannot be started. */
  static async start(program: KeptProgram, table: ProcessTable, say: Say): Promise<KeptProcess> {
    moveAside(program.logFile);
    const kept = new KeptProcess(program, table, say);
    await kept.spawn();
    return kept;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The last lines of its log file, for a message. */
  async lastLines(count = 15): Promise<string> {
    const text = await readFile(this.program.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-count).join('\n');
  }

  /**
   * Ends it: its stop signal, SIGKILL after graceMs or at once when `now` is (or becomes) aborted. Idempotent.
   * Resolves when the process is gone.
   */
  async stop(now?: AbortSignal): Promise<void> {
    this.stopping.abort();
    if (this.running && this.child?.pid !== undefined) {
      const pid = this.child.pid;
      // To the program alone first: it knows best how to end its own children.
      this.child.kill(this.program.stopSignal ?? 'SIGTERM');
      const late = sleep(this.program.graceMs, 'late', { signal: now, ref: false }).catch(() => 'now');
      if ((await Promise.race([this.ended.then(() => 'ended'), late])) !== 'ended') killGroup(pid, 'SIGKILL');
    }
    await this.ended;
    killGroup(this.child?.pid, 'SIGKILL'); // what it left in its group
    await this.list(() => this.table.remove(this.program.name));
  }

  /** Stops looking after it and leaves it running: somebody else still uses it. */
  async letLive(): Promise<void> {
    this.stopping.abort();
    this.child?.unref();
    await this.list(() => this.table.remove(this.program.name));
  }

  private async spawn(): Promise<void> {
    const { command, args, env, cwd, uid, gid, input, logFile } = this.program;
    const log = openSync(logFile, 'a', 0o600);
    const stdin = input === undefined ? 'ignore' : 'pipe';
    const child = spawn(command, args, { env, cwd, uid, gid, detached: true, stdio: [stdin, log, log] });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    this.child = child;
    this.startedAtMs = Date.now();
    this.ended = new Promise((resolve) => child.once('exit', () => resolve()));
    child.once('exit', (code, signal) => void this.onExit(code, signal));
    child.stdin?.on('error', () => undefined); // it died before it read its input: its exit tells
    child.stdin?.end(input);
    const { pid } = child;
    if (pid !== undefined) await this.list(() => this.table.add(this.program.name, pid));
  }

  /** A program runs, or has ended, whether or not that can be written down: the disk may be full, which is when Postgres dies. */
  private async list(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.say(`the list of started processes cannot be written: ${(error as Error).message}`);
    }
  }

  private async onExit(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    if (this.stopping.signal.aborted) return;
    if (Date.now() - this.startedAtMs > STEADY_MS) this.pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.pauseMs;
    this.pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    this.say(
      `${this.program.name} ended ${how}; starting it again in ${pauseMs / 1000} s (see ${this.program.logFile})`,
    );
    try {
      await sleep(pauseMs, undefined, { signal: this.stopping.signal });
      await this.spawn();
      if (this.stopping.signal.aborted) killGroup(this.pid, 'SIGKILL'); // the stop came while it was being started
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.say(`${this.program.name} cannot be started: ${(error as Error).message}`);
      void this.onExit(null, null);
    }
  }
}

function moveAside(logFile: string): void {
  try {
    if (statSync(logFile).size > LOG_KEEP_BYTES) renameSync(logFile, `${logFile}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
