// What a command of the command line is. Each has a folder of its own; main.ts finds it by its name.

/** Exit statuses of every command. A command may have more of its own, from 3 on. */
export const EXIT = {
  done: 0,
  /** The command was understood, and its answer is no: findings, a failed build. */
  failed: 1,
  /** Asked in a way that no command understands, or for a file that cannot be read. */
  usage: 2,
} as const;

/** The outside, as far as commands need it. */
export interface Io {
  out: (text: string) => void;
  err: (text: string) => void;
  /** A file's bytes, `-` for standard input; at most `limit` of them. Errors: UsageError. */
  read: (path: string, limit: number) => Promise<Buffer>;
}

export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** For `kilnyard <name> --help`. */
  help: string;
  /** In: what stands behind the command's name. Out: the exit status. Errors: UsageError. */
  run: (args: readonly string[], io: Io) => Promise<number>;
}

/** The person asked in a wrong way; shown without a stack, exit status 2. */
export class UsageError extends Error {}
