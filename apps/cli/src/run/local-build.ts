// Makes the build that a run is for out of its arguments: what a project and a request would have said. Looks at the person's files.
import { realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import { v7 as newUuid } from 'uuid';
import { examineBuildspec } from '#buildspec/examine.js';
import { MAX_BUILDSPEC_BYTES } from '#buildspec/limits.js';
import { DEFAULT_BUILDSPEC_PATH } from '#buildspec/locate.js';
import { mergeVariables } from '#core/apply-overrides.js';
import type { Build } from '#core/build.js';
import { asBuildId } from '#core/ids.js';
import {
  DEFAULT_QUEUED_TIMEOUT_MINUTES,
  PROJECT_NAME,
  type EnvironmentVariable,
  type ProjectSettings,
  type ProjectSource,
} from '#core/project.js';
import { UsageError, type Io } from '../command.js';
import { showFinding } from '../validate/show-finding.js';
import { parseEnvFile } from './env-file.js';
import type { Outside } from './outside.js';
import type { RunArguments } from './run-arguments.js';

const MAX_ENV_FILE_BYTES = 1024 * 1024;

/** The buildspec has errors; `text` shows each with its place. */
export class WrongBuildspec extends Error {
  constructor(readonly text: string) {
    super('the buildspec is not valid');
  }
}

/** Errors: UsageError for what cannot be read; WrongBuildspec. */
export async function localBuild(
  asked: RunArguments,
  io: Pick<Io, 'read'>,
  outside: Pick<Outside, 'cwd' | 'env' | 'userName'>,
  { defaultImage }: { defaultImage: string },
): Promise<Build> {
  const sourceDir = await folderOf(asked.source, outside.cwd);
  const { setting, secondaryArtifacts } = await buildspecOf(asked, sourceDir, io, outside.cwd);
  const primary: ProjectSource = { type: 'GIT', location: sourceDir };
  if (setting !== undefined) primary.buildspec = setting;
  const secondarySources: ProjectSource[] = [];
  for (const { identifier, dir } of asked.secondarySources)
    secondarySources.push({
      type: 'GIT',
      location: await folderOf(dir, outside.cwd),
      sourceIdentifier: identifier,
    });
  const artifacts = { type: asked.artifacts === undefined ? 'NO_ARTIFACTS' : 'S3', packaging: 'NONE' } as const;
  const settings: ProjectSettings = {
    source: primary,
    secondarySources,
    secondarySourceVersions: [],
    artifacts,
    secondaryArtifacts: secondaryArtifacts.map((artifactIdentifier) => ({ ...artifacts, artifactIdentifier })),
    cache: { type: asked.cache === undefined ? 'NO_CACHE' : 'S3' },
    environment: {
      type: 'LINUX_CONTAINER',
      image: asked.image ?? defaultImage,
      imagePullPolicy: asked.pull ? 'ALWAYS' : 'IF_NOT_PRESENT',
      computeType: asked.computeType,
      environmentVariables: await variablesOf(asked, io, outside.env),
      privilegedMode: asked.privileged,
    },
    timeoutInMinutes: asked.timeoutMinutes,
    queuedTimeoutInMinutes: DEFAULT_QUEUED_TIMEOUT_MINUTES,
    tags: [],
    priority: 0,
  };
  return newBuild(asked.project ?? projectNameOf(sourceDir), outside.userName, settings);
}

function newBuild(projectName: string, initiator: string, settings: ProjectSettings): Build {
  const now = new Date();
  return {
    id: asBuildId(newUuid()),
    projectId: null,
    projectName,
    number: 1,
    status: 'IN_PROGRESS',
    currentPhase: 'PROVISIONING',
    phases: [],
    attempt: 1,
    attempts: [],
    workerId: null,
    initiator,
    sourceVersion: null,
    resolvedSourceVersion: null,
    settings,
    exportedVariables: [],
    imageDigest: null,
    cache: null,
    cacheScope: null,
    queuedAt: now,
    requeuedAt: null,
    handedOver: false,
    startedAt: now,
    endedAt: null,
    stopRequestedAt: null,
    logSeal: null,
    logExpiredAt: null,
    logArchived: false,
    reportIds: [],
    retryOf: null,
    batch: null,
    paused: null,
    version: 1,
  };
}

async function folderOf(written: string, cwd: string): Promise<string> {
  const path = resolve(cwd, written);
  const found = await stat(path).catch(() => null); // told below
  if (!found?.isDirectory()) throw new UsageError(`there is no folder ${written}`);
  return realpath(path);
}

/** As a project of that name would be called: CODEBUILD_SRC_DIR is the same for every run of it. */
export function projectNameOf(sourceDir: string): string {
  const name = basename(sourceDir)
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 150);
  return PROJECT_NAME.test(name) ? name : 'local';
}

/**
 * A path of the source as it is there, as a project would name it; a file of anywhere else is handed over as its text.
 * Out: `setting` as ProjectSource.buildspec; the identifiers of its secondary artifacts, which a project would have to name.
 */
async function buildspecOf(
  asked: RunArguments,
  sourceDir: string,
  io: Pick<Io, 'read'>,
  cwd: string,
): Promise<{ setting: string | undefined; secondaryArtifacts: string[] }> {
  const written = asked.buildspec ?? DEFAULT_BUILDSPEC_PATH;
  const inSource = await isFile(join(sourceDir, written));
  const file = inSource || asked.buildspec === undefined ? join(sourceDir, written) : resolve(cwd, written);
  const text = (await io.read(file, MAX_BUILDSPEC_BYTES + 1)).toString('utf8');
  const { valid, findings, plan } = examineBuildspec(text);
  if (!valid) {
    const errors = findings.filter(({ severity }) => severity === 'error');
    throw new WrongBuildspec(errors.map((finding) => `${showFinding(written, text, finding)}\n`).join('\n'));
  }
  const path = relative(sourceDir, await realpath(file));
  const outsideSource = path === '..' || path.startsWith('../') || isAbsolute(path);
  return {
    setting: asked.buildspec === undefined ? undefined : outsideSource ? `${text}\n` : path,
    secondaryArtifacts: plan.secondaryArtifacts.map(({ identifier }) => identifier),
  };
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false; // whoever reads it says why not
}

async function variablesOf(
  asked: RunArguments,
  io: Pick<Io, 'read'>,
  env: Outside['env'],
): Promise<EnvironmentVariable[]> {
  let variables: EnvironmentVariable[] = [];
  for (const one of asked.variables) {
    const pairs: [string, string][] =
      'file' in one ? parseEnvFile(one.file, await readText(io, one.file), env) : [[one.name, one.value]];
    for (const [name, value] of pairs) variables = mergeVariables(variables, [{ name, value, type: 'PLAINTEXT' }]);
  }
  return variables;
}

async function readText(io: Pick<Io, 'read'>, file: string): Promise<string> {
  const bytes = await io.read(file, MAX_ENV_FILE_BYTES + 1);
  if (bytes.length > MAX_ENV_FILE_BYTES) throw new UsageError(`${file}: expected at most ${MAX_ENV_FILE_BYTES} bytes`);
  return bytes.toString('utf8');
}
