// DOWNLOAD_SOURCE: source, buildspec, variables, cache; then the script is handed over and runs by itself.
import { mkdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { MAX_BUILDSPEC_BYTES } from '#buildspec/limits.js';
import { compile } from '#buildspec/compile.js';
import { warningLines } from '#buildspec/findings.js';
import { locateBuildspec } from '#buildspec/locate.js';
import { parseBuildspec } from '#buildspec/parse.js';
import type { BuildPlan } from '#buildspec/plan.js';
import { Fault, PhaseFailure, Refusal } from '#core/errors.js';
import type { PhaseOutcome } from '#core/outcome.js';
import type { ProjectSource } from '#core/project.js';
import type { BuildRun } from '../build-run.js';
import { builtInVariables, sourceFolder } from '../environment.js';
import { systemLines } from '../logs/system-line.js';
import { keepRecord } from '../run-record.js';
import { placeTools } from '../script/build-tools.js';
import { writeScript } from '../script/write-script.js';
import { expansionTexts } from './artifact-plan.js';
import { planBatch, readsBatch } from './batch-plan.js';
import { restoreCache } from './cache.js';
import { planRuntimes } from './runtimes.js';
import { watchScript } from './script-output.js';
import { resolveVariables } from './variables.js';

const COMPLETE = 'Phase complete: DOWNLOAD_SOURCE State: SUCCEEDED\nPhase context status code:  Message: ';

/** Errors: PhaseFailure of source, secrets and shell; Refusal BUILDSPEC_INVALID; what the sandbox throws. */
export async function downloadSource(run: BuildRun): Promise<PhaseOutcome> {
  const { log, ports, request } = run;
  const { settings } = request.build;
  await log.say('Waiting for DOWNLOAD_SOURCE\nPhase is DOWNLOAD_SOURCE');
  const primary = await fetchInto(run, settings.source, settings.sourceVersion);
  if (primary.resolvedVersion !== undefined) await ports.journal.setResolvedSource(primary.resolvedVersion);
  const secondary = [];
  for (const source of settings.secondarySources) {
    const identifier = source.sourceIdentifier ?? '';
    const version = settings.secondarySourceVersions.find((one) => one.sourceIdentifier === identifier)?.sourceVersion;
    const { dir, resolvedVersion } = await fetchInto(run, source, version);
    secondary.push({ identifier, source, version, resolvedVersion, dir });
  }
  await log.say(`CODEBUILD_SRC_DIR=${primary.dir}`);
  const plan = await readPlan(run, primary.dir, secondary);
  await log.say('Processing environment variables');
  const variables = await resolveVariables(run, plan);
  const sealedVariables = new Set(variables.filter(({ sealed }) => sealed).map(({ name }) => name));
  await planRuntimes(run, plan, variables);
  run.source = {
    plan,
    sourceDir: primary.dir,
    expansions: expansionTexts(plan),
    sealedVariables,
    cacheKey: null,
  };
  const builtIn = builtInVariables({
    build: request.build,
    buildUrl: request.buildUrl,
    sourceDir: primary.dir,
    resolvedSourceVersion: primary.resolvedVersion,
    secondary,
    home: '/root',
  });
  await log.say(`Moving to directory ${primary.dir}`);
  await restoreCache(run, [...variables, ...builtIn]);
  await sayPhases(run, plan);
  await handOver(run, plan, [...variables, ...builtIn]);
  return { kind: 'succeeded' };
}

async function fetchInto(
  run: BuildRun,
  source: ProjectSource,
  version: string | undefined,
): Promise<{ dir: string; resolvedVersion?: string }> {
  const sandbox = run.sandbox!;
  const folder = sourceFolder(run.request.build.projectName, source);
  const into = join(sandbox.workspaceDir, folder);
  await mkdir(into, { recursive: true });
  const dir = posix.join(sandbox.buildRoot, folder);
  if (source.type === 'NO_SOURCE') return { dir };
  const fetched = await run.ports.source.fetch({ source, version, into, say: run.log.sayLater, signal: run.signal });
  return { dir, ...fetched };
}

async function readPlan(
  run: BuildRun,
  sourceDir: string,
  secondary: readonly { identifier: string; version: string | undefined; resolvedVersion: string | undefined }[],
): Promise<BuildPlan> {
  const { log, ports, request } = run;
  const { settings } = request.build;
  const located = locateBuildspec(settings.source.buildspec);
  if (located.kind === 'path' && settings.source.type === 'NO_SOURCE') {
    throw new PhaseFailure('YAML_FILE_ERROR', 'A build without source needs its buildspec inline');
  }
  const shown = located.kind === 'inline' ? '/codebuild/readonly/buildspec.yml' : posix.join(sourceDir, located.path);
  await log.say(`YAML location is ${shown}`);
  let text: string;
  if (located.kind === 'inline') text = located.text;
  else {
    const root = join(run.sandbox!.workspaceDir, posix.relative(run.sandbox!.buildRoot, sourceDir));
    const bytes = await ports.source.readFile(root, located.path, MAX_BUILDSPEC_BYTES);
    if (bytes === null) throw new PhaseFailure('YAML_FILE_ERROR', `stat ${shown}: no such file or directory`);
    text = bytes.toString('utf8');
  }
  const ofBatch = readsBatch(request.build);
  const { buildspec, warnings, placeOf } = parseBuildspec(text, ofBatch ? 'batch' : 'build');
  if (ofBatch) {
    const versions = secondary.flatMap(({ identifier, version, resolvedVersion = version }) =>
      resolvedVersion === undefined ? [] : [{ sourceIdentifier: identifier, sourceVersion: resolvedVersion }],
    );
    return planBatch(run, buildspec, versions);
  }
  const plan = compile(buildspec, {
    warnings,
    placeOf,
    secondaryArtifactIdentifiers: settings.secondaryArtifacts.map((one) => one.artifactIdentifier ?? ''),
  });
  for (const line of warningLines(plan.warnings)) await log.say(line);
  return plan;
}

/** A broken buildspec as CodeBuild shows it, with every finding in the log. */
export async function buildspecFailure(run: BuildRun, refusal: Refusal): Promise<PhaseFailure> {
  const lines = refusal.findings.map(
    ({ field, line, column, expected, got }) =>
      `${line === undefined ? '' : `line ${line}:${column ?? 1}: `}${field}: expected ${expected}, got ${got}`,
  );
  for (const line of lines) await run.log.say(`  ${line}`);
  return new PhaseFailure('YAML_FILE_ERROR', [refusal.message, ...lines].join('\n').slice(0, 4000), { cause: refusal });
}

async function sayPhases(run: BuildRun, plan: BuildPlan): Promise<void> {
  const listed = plan.phases.filter((phase) => phase.listed);
  const found = listed.map(({ type, commands }) => ` ${type}: ${commands.length} commands`);
  await run.log.say(['Registering with agent', `Phases found in YAML: ${listed.length}`, ...found].join('\n'));
}

async function handOver(run: BuildRun, plan: BuildPlan, variables: { name: string; value: string }[]): Promise<void> {
  const sandbox = run.sandbox!;
  const script = writeScript({
    controlRoot: sandbox.controlRoot,
    tempDir: sandbox.tempDir,
    sourceDir: run.source!.sourceDir,
    shell: plan.shell,
    carry: plan.version === '0.2',
    // who is not root cannot give it to the root of the build
    foreignOwner: process.getuid?.() !== 0,
    runAs: plan.runAs,
    variables,
    phases: plan.phases.map(({ type, runtimes, commands, finally: last, runAs, onFailure }) => ({
      type,
      runtimes,
      commands,
      finally: last,
      runAs,
      onFailure: onFailure.action === 'ABORT' || onFailure.action === 'CONTINUE' ? onFailure.action : null,
    })),
    exported: plan.exportedVariables,
    expansions: run.source!.expansions,
    ownProcesses: sandbox.ownProcesses,
    toolsDir: await placeTools(sandbox, run.pauses.limitMs),
  });
  const preparedAt = run.ports.clock.now();
  await Promise.all([keepRecord(run), run.notes.settled()]);
  // Written first, and refused when the build has passed on: from here on it is not taken for one in which nothing has run.
  await run.ports.journal.handingOver();
  if (!run.request.leaseHeld()) throw new Fault('LEASE_LOST', 'the lease ran out before the script was handed over');
  await sandbox.start(script);
  // Written before any output is read and stamped before the script ran, so that the log tells the phases in their order.
  await run.log.say(systemLines(COMPLETE, preparedAt));
  watchScript(run);
}
