// What `kilnyard run` does with its arguments, up to the run itself. Loaded by run.ts when somebody runs a build.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readSettings, SettingsError } from '#config/settings.js';
import type { Build } from '#core/build.js';
import { EXIT, UsageError, type Io } from '../command.js';
import { FileSecrets } from './file-secrets.js';
import { localBuild, WrongBuildspec } from './local-build.js';
import { runLocally, type RunStatus } from './local-run.js';
import type { Outside } from './outside.js';
import { readRunArguments, type RunArguments } from './run-arguments.js';

/** No engine answered, or Kilnyard failed: nothing is said about the build. */
const CANNOT_RUN = 3;
/** As a shell tells of a program that Ctrl-C ended. */
const STOPPED = 130;

const STATUS: Readonly<Record<RunStatus, number>> = {
  SUCCEEDED: EXIT.done,
  FAILED: EXIT.failed,
  TIMED_OUT: EXIT.failed,
  FAULT: CANNOT_RUN,
  NO_ENGINE: CANNOT_RUN,
  STOPPED,
};

const MAX_SECRETS_BYTES = 4 * 1024 * 1024;

/** As Command.run. */
export async function runCommand(args: readonly string[], io: Io, outside: Outside): Promise<number> {
  const asked = readRunArguments(args);
  const settings = settingsOf(outside);
  const secrets = await secretsOf(asked, io);
  const folders = { artifacts: await folder(asked.artifacts, outside), cache: await folder(asked.cache, outside) };
  let build: Build;
  try {
    build = await localBuild(asked, io, outside, settings.docker);
  } catch (error) {
    if (!(error instanceof WrongBuildspec)) throw error;
    io.err(error.text);
    return EXIT.failed;
  }
  return STATUS[await runLocally({ build, settings, secrets, ...folders, say: io.err, outside })];
}

function settingsOf({ env }: Outside) {
  try {
    return readSettings(env, 'docker', 'logs', 'worker');
  } catch (error) {
    if (error instanceof SettingsError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

async function secretsOf({ secrets: file }: RunArguments, io: Io): Promise<FileSecrets> {
  if (file === undefined) return FileSecrets.none();
  return FileSecrets.parse(file, (await io.read(file, MAX_SECRETS_BYTES)).toString('utf8'));
}

/** A folder that is there, or may be made. */
async function folder(written: string | undefined, { cwd }: Outside): Promise<string | null> {
  if (written === undefined) return null;
  const path = resolve(cwd, written);
  const found = await stat(path).catch(() => null); // it is made when there is something for it
  if (found !== null && !found.isDirectory()) throw new UsageError(`expected a folder, got the file ${written}`);
  return path;
}
