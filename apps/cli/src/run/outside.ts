// What `kilnyard run` needs of its process beyond Io: its place, its variables, its signals, and output that may be slow.
import { homedir, hostname, tmpdir, userInfo } from 'node:os';

export interface Outside {
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Where the run keeps its folder while it lasts. */
  tempDir: string;
  hostName: string;
  userName: string;
  /** People watch the output as it comes, and want it in colour. */
  colour: boolean;
  /** Writes to standard output. Resolves when it is written, or when nobody reads it any more. Errors: of the device. */
  write(bytes: Uint8Array): Promise<void>;
  /** Hears of Ctrl-C and the like, each time, until the returned function is called; `gone`: nobody reads the output any more. */
  onStop(listener: (why: 'asked' | 'gone') => void): () => void;
  /** Ends the process at once. */
  leave(status: number): void;
}

const ASKED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The process's own. */
export function processOutside(): Outside {
  return {
    cwd: process.cwd(),
    env: process.env,
    tempDir: tmpdir(),
    hostName: hostname(),
    userName: nameOfUser(),
    colour: process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '',
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => {
          // told by onStop as `gone`
          if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error);
          else resolve();
        });
      }),
    onStop: (listener) => {
      const asked = (): void => listener('asked');
      const gone = (): void => listener('gone');
      for (const signal of ASKED) process.on(signal, asked);
      // kilnyard.mjs passes on what went wrong with standard output
      process.on('SIGPIPE', gone);
      return () => {
        for (const signal of ASKED) process.off(signal, asked);
        process.off('SIGPIPE', gone);
      };
    },
    leave: (status) => process.exit(status),
  };
}

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return homedir(); // a user id without an entry in the system's list
  }
}
