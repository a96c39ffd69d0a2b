// Room: source. Runs the git program: no shell, its own process group, killed as a whole when the signal aborts.
import { spawn } from 'node:child_process';

export interface GitRun {
  args: readonly string[];
  cwd?: string;
  /** The whole environment; nothing is inherited. */
  env: Record<string, string>;
  signal: AbortSignal;
  /** What git reads on its stdin; nothing when absent. */
  input?: string;
  /** Lines of stderr as they come, progress lines (ended by \r) too. */
  onStderrLine?: (line: string) => void;
}

/** git ended with another status than 0. Stays inside this room: git-failure.ts turns it into what the build says. */
export class GitExit extends Error {
  constructor(
    readonly args: readonly string[],
    readonly exitCode: number | null,
    /** The last of stderr, at most MAX_STDERR_BYTES; may hold URLs and remote text. */
    readonly stderr: string,
  ) {
    super(`git ${args[0] ?? ''} ended with ${exitCode ?? 'a signal'}`);
  }
}

const MAX_STDERR_BYTES = 16_384;
/** A listing of refs or submodules larger than this is not read to its end. */
const MAX_STDOUT_BYTES = 64 * 2 ** 20;

/**
 * Runs git to its end. Out: stdout as UTF-8 text.
 * Errors: GitExit on another status than 0; the signal's reason when it aborts, after the whole process group is gone.
 */
export function runGit(run: GitRun): Promise<string> {
  run.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn('git', run.args, {
      env: run.env,
      stdio: [run.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
      ...(run.cwd === undefined ? {} : { cwd: run.cwd }),
    });
    // EPIPE: git ended without reading it, and its status tells why.
    child.stdin?.on('error', () => undefined).end(run.input);
    const out: Buffer[] = [];
    let outBytes = 0;
    let stderr = '';
    let unfinished = '';
    const killGroup = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // ESRCH: the group has ended by itself.
      }
    };
    run.signal.addEventListener('abort', killGroup, { once: true });
    child.stdout!.on('data', (chunk: Buffer) => {
      outBytes += chunk.length;
      if (outBytes > MAX_STDOUT_BYTES) killGroup();
      else out.push(chunk);
    });
    child.stderr!.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      stderr = (stderr + text).slice(-MAX_STDERR_BYTES);
      if (!run.onStderrLine) return;
      const lines = (unfinished + text).split(/[\r\n]+/);
      unfinished = lines.pop() ?? '';
      for (const line of lines) if (line) run.onStderrLine(line);
    });
    child.once('error', (cause) => {
      run.signal.removeEventListener('abort', killGroup);
      reject(new GitExit(run.args, null, `the git program could not be started: ${cause.message}`));
    });
    child.once('close', (exitCode) => {
      run.signal.removeEventListener('abort', killGroup);
      if (run.signal.aborted) reject(run.signal.reason as Error);
      else if (outBytes > MAX_STDOUT_BYTES)
        reject(new GitExit(run.args, null, `git's answer is over ${MAX_STDOUT_BYTES} bytes`));
      else if (exitCode !== 0) reject(new GitExit(run.args, exitCode, stderr));
      else resolve(Buffer.concat(out).toString('utf8'));
    });
  });
}
