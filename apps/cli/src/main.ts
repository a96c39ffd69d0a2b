// `kilnyard <command>`: finds the command and runs it. New commands join COMMANDS; nothing else here knows what they do.
import { readSource } from './read-source.js';
import { EXIT, UsageError, type Command, type Io } from './command.js';
import { run } from './run/run.js';
import { validate } from './validate/validate.js';

const COMMANDS: readonly Command[] = [validate, run];

/** Out: the exit status. Errors: none but bugs. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') return help(rest[0], io);
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) {
    io.err(name === undefined ? overview() : `kilnyard: there is no command ${name}\n\n${overview()}`);
    return EXIT.usage;
  }
  if (rest.includes('--help') || rest.includes('-h')) return help(command.name, io);
  try {
    return await command.run(rest, io);
  } catch (error) {
    if (!(error instanceof UsageError) && !isWrongOption(error)) throw error;
    io.err(`kilnyard ${command.name}: ${error.message}\n\n${command.help}`);
    return EXIT.usage;
  }
}

/** The process's own. */
export function processIo(): Io {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    read: readSource,
  };
}

function help(name: string | undefined, io: Io): number {
  const command = COMMANDS.find((one) => one.name === name);
  if (name !== undefined && command === undefined) {
    io.err(`kilnyard: there is no command ${name}\n\n${overview()}`);
    return EXIT.usage;
  }
  io.out(command?.help ?? overview());
  return EXIT.done;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`).join('');
  return `Usage: kilnyard <command> [options]\n\n${lines}\nkilnyard <command> --help says more.\n`;
}

/** What node:util's parseArgs throws for options that are not there, or lack their value. */
function isWrongOption(error: unknown): error is { message: string } {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS_');
}
