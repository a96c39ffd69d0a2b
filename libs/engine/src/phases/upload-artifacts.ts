// UPLOAD_ARTIFACTS: the container has ended; what the buildspec names is stored, then the cache.
import { posix } from 'node:path';
import { artifactPlace } from '#core/artifact-place.js';
import { PhaseFailure } from '#core/errors.js';
import type { PhaseOutcome } from '#core/outcome.js';
import type { ProjectArtifacts } from '#core/project.js';
import type { BuildRun } from '../build-run.js';
import { wantedArtifacts, type WantedArtifact } from './artifact-plan.js';
import { baseFolders } from './base-folders.js';
import { saveCache } from './cache.js';
import { linkTarget } from './link-target.js';
import { collectReports } from './reports.js';
import { findFiles, type FoundFile } from './find-files.js';

/** Errors: PhaseFailure CLIENT_ERROR when nothing matched; what sandbox and store throw. */
export async function uploadArtifacts(run: BuildRun, succeeding: boolean): Promise<PhaseOutcome> {
  const { log, request } = run;
  await log.say('Phase is UPLOAD_ARTIFACTS');
  await tellExported(run);
  // first, so that a build whose artifacts are missing has them all the same
  await collectReports(run);
  const { artifacts, secondaryArtifacts } = request.build.settings;
  for (const wanted of wantedArtifacts(run.source!.plan, run.script!.expanded)) {
    const target =
      wanted.identifier === ''
        ? artifacts
        : secondaryArtifacts.find((one) => one.artifactIdentifier === wanted.identifier);
    if (target !== undefined && target.type !== 'NO_ARTIFACTS') await upload(run, wanted, target);
  }
  if (succeeding) await saveCache(run);
  await log.say('Phase complete: UPLOAD_ARTIFACTS State: SUCCEEDED');
  await log.say('Phase context status code:  Message: ');
  return { kind: 'succeeded' };
}

/** The API shows them to every reader: what came from a parameter or secret is left out, and found in another value it is masked. */
async function tellExported(run: BuildRun): Promise<void> {
  const { plan, sealedVariables } = run.source!;
  const variables = plan.exportedVariables.flatMap((name) => {
    const value = run.script!.exported.get(name);
    return value === undefined || sealedVariables.has(name) ? [] : [{ name, value: run.log.masked(value) }];
  });
  for (const name of plan.exportedVariables.filter((one) => sealedVariables.has(one)))
    await run.log.say(`The variable ${name} comes from a parameter or secret and is not exported`);
  if (variables.length > 0) await run.ports.journal.setExportedVariables(variables);
}

async function upload(run: BuildRun, wanted: WantedArtifact, target: ProjectArtifacts): Promise<void> {
  const { log, ports, request } = run;
  await log.say(`Expanding base directory path: ${wanted.baseDirectory}`);
  const packaging = target.packaging ?? 'NONE';
  const keepLinks = wanted.enableSymlinks && packaging === 'ZIP' && !wanted.discardPaths;
  let count = 0;
  let leftOut = 0;
  const counted = async function* (): AsyncGenerator<FoundFile> {
    for await (const one of artifactFiles(run, wanted, keepLinks, () => (leftOut += 1))) {
      count += 1;
      yield one;
    }
  };
  const files = counted();
  const first = await files.next();
  if (first.done === true) {
    await sayLeftOut(run, leftOut);
    throw new PhaseFailure('CLIENT_ERROR', 'no matching artifact paths found');
  }
  const artifact = await ports.artifacts.save({
    settings: request.build.settings,
    identifier: wanted.identifier,
    name: artifactName(run, wanted, target),
    packaging,
    files: prepend(first.value, files),
    signal: run.signal,
  });
  const { name } = artifact;
  const s3Prefix = wanted.s3Prefix === null ? null : run.log.masked(wanted.s3Prefix);
  const place = artifactPlace(target, { buildId: request.build.id, name, s3Prefix });
  await ports.journal.addArtifact({ ...artifact, place });
  await sayLeftOut(run, leftOut);
  const which = wanted.identifier === '' ? '' : ` of ${wanted.identifier}`;
  await log.say(`Found ${count} file(s)${which}; stored ${artifact.sizeBytes} bytes as ${artifact.name}`);
}

/** `leftOut` is told of each link that must not be in the artifact. */
async function* artifactFiles(
  run: BuildRun,
  wanted: WantedArtifact,
  keepLinks: boolean,
  leftOut: () => void,
): AsyncGenerator<FoundFile> {
  const { log, signal } = run;
  const named = new Map<string, FoundFile>();
  for (const base of await baseFolders(run, wanted.baseDirectory)) {
    await log.say(`Expanding file paths for base directory ${wanted.baseDirectory}`);
    await log.say('Assembling file list');
    const found = findFiles({
      sandbox: run.sandbox!,
      base,
      patterns: wanted.files,
      excludes: wanted.excludePaths,
      types: ['file', 'symlink'],
      signal,
      onPattern: (pattern) => log.say(`Expanding ${pattern}`),
      onNothing: (pattern) => log.say(`Skipping invalid file path ${pattern}`),
    });
    for await (const seen of found) {
      const one = await withoutLink(run, seen, keepLinks);
      if (one === null) leftOut();
      else if (!wanted.discardPaths) yield one;
      // flattened names may clash; the later file wins, so all must be known first
      else named.set(posix.basename(one.name), one);
    }
  }
  for (const [name, one] of named) yield { ...one, name };
}

/** A file as it is; a link as it is where links are kept, else what it stands for. Out: null for one that must not be in the artifact. */
async function withoutLink(run: BuildRun, one: FoundFile, keepLinks: boolean): Promise<FoundFile | null> {
  const { name, path, file } = one;
  if (file.type !== 'symlink' || (keepLinks && staysInside(one))) return one;
  const target = await linkTarget(run.sandbox!, path, file);
  return target === null ? null : { name, path, file: target };
}

async function sayLeftOut(run: BuildRun, links: number): Promise<void> {
  if (links === 0) return;
  await run.log.say(`Left out ${links} symbolic link(s): they lead to no file of the build's workspace`);
}

/**
 * Does a link lead to a place within the artifact, wherever that is unpacked? Upwards it may go at its beginning alone: behind
 * the name of another link `..` would mean another folder than the one that is read here.
 */
function staysInside({ name, file }: FoundFile): boolean {
  const target = file.linkTarget ?? '';
  const down = target.replace(/^(\.{0,2}\/)*/, '');
  if (posix.isAbsolute(target) || down.split('/').slice(1).includes('..')) return false;
  return !/^\.\.(\/|$)/.test(posix.join(posix.dirname(name), target));
}

/** Safe as a relative path: no leading slash, no `..`, no control characters. */
function artifactName(run: BuildRun, wanted: WantedArtifact, target: ProjectArtifacts): string {
  const chosen =
    (target.overrideArtifactName === true ? wanted.name : null) ?? target.name ?? run.request.build.projectName;
  const parts = chosen.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || /[\u0000-\u001f\u007f]/.test(chosen) || chosen.length > 1000) {
    throw new PhaseFailure(
      'CLIENT_ERROR',
      `The artifact name ${JSON.stringify(chosen.slice(0, 200))} must be a relative path of at most 1,000 plain characters without ".."`,
    );
  }
  // a name that commands decide may hold a secret
  return parts.length === 0 ? run.request.build.projectName : run.log.masked(parts.join('/'));
}

async function* prepend<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}
