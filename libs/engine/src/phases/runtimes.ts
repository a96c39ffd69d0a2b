// `runtime-versions` of a buildspec: the commands that the image's own runtimes.yml has for them. Called by download-source.ts.
import { MAX_BUILDSPEC_BYTES } from '#buildspec/limits.js';
import type { BuildPlan } from '#buildspec/plan.js';
import { chooseRuntimes, readRuntimes, RUNTIMES_FILE, RUNTIMES_FOLDER } from '#buildspec/runtimes.js';
import { PhaseFailure, Refusal } from '#core/errors.js';
import type { SandboxFile } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';

/**
 * Puts the commands of the runtimes that the plan asks for before those of INSTALL. Only then is the image looked into.
 * An image without the file gets a warning in the log, as on CodeBuild.
 * Errors: PhaseFailure YAML_FILE_ERROR for a runtime or version that the image does not have, and for a file that cannot be read.
 */
export async function planRuntimes(
  run: BuildRun,
  plan: BuildPlan,
  variables: readonly { name: string; value: string }[],
): Promise<void> {
  const { log } = run;
  if (plan.runtimeVersions.length === 0) {
    await log.say('No runtime version selected in buildspec.');
    return;
  }
  const text = await runtimesOf(run);
  if (text === null) {
    await log.say('Skipping install of runtimes. Runtime version selection is not supported by this build image.');
    return;
  }
  const byName = new Map(variables.map(({ name, value }) => [name, value]));
  const chosen = chooseRuntimes(catalogueOf(text), plan.runtimeVersions, byName);
  for (const { name, version } of chosen)
    await log.say(`Selecting '${name}' runtime version '${version}' based on manual selections...`);
  const install = plan.phases.find(({ type }) => type === 'INSTALL')!;
  install.runtimes = chosen.flatMap(({ commands }) => commands);
}

function catalogueOf(text: string): ReturnType<typeof readRuntimes> {
  try {
    return readRuntimes(text);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const message = `The image's ${RUNTIMES_FOLDER}/${RUNTIMES_FILE} cannot be read: ${error.message}`;
    throw new PhaseFailure('YAML_FILE_ERROR', message, { cause: error });
  }
}

/** The file's text, or null where the image has none. */
async function runtimesOf(run: BuildRun): Promise<string | null> {
  for await (const file of run.sandbox!.files(RUNTIMES_FOLDER, run.signal)) {
    if (file.path === RUNTIMES_FILE && file.type === 'file') return textOf(file);
  }
  return null;
}

async function textOf(file: SandboxFile): Promise<string> {
  if (file.sizeBytes > MAX_BUILDSPEC_BYTES) {
    throw new PhaseFailure(
      'YAML_FILE_ERROR',
      `The image's ${RUNTIMES_FOLDER}/${RUNTIMES_FILE} has ${file.sizeBytes} bytes: expected at most ${MAX_BUILDSPEC_BYTES}`,
    );
  }
  const pieces: Buffer[] = [];
  for await (const piece of await file.open()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}
