// The reports of a build: those that its buildspec names, then those that are found by themselves (codebuild-contract C6).
import { posix } from 'node:path';
import type { BuildRun } from '../build-run.js';
import type { ReportStore } from '../ports.js';
import { baseFolders } from './base-folders.js';
import { discoverReports } from './discover-reports.js';
import { findFiles, type FoundFile } from './find-files.js';
import { ReportGathering } from './gather-report.js';
import { discoveryPattern, groupNameOf, wantedReports, type WantedReport } from './report-plan.js';

/** Errors: Fault of sandbox and store; the signal's reason. Never a PhaseFailure: no report fails a build. */
export async function collectReports(run: BuildRun): Promise<void> {
  const { plan, expansions } = run.source!;
  const { reports: store } = run.ports;
  if (store === undefined) return;
  const taken = new Set<string>();
  for (const wanted of wantedReports(plan, expansions, run.script!.expanded)) await collect(run, store, wanted, taken);
  const pattern = discoveryPattern(plan, run.request.build.settings.environment.environmentVariables);
  if (pattern !== null) await discoverReports(run, store, pattern, taken);
}

/** `taken` gets the absolute paths of its files. */
async function collect(run: BuildRun, store: ReportStore, wanted: WantedReport, taken: Set<string>): Promise<void> {
  const { log, request } = run;
  const group = groupNameOf(wanted.group, request.build.projectName);
  if (group === null) {
    await log.say(
      `The report ${wanted.group} is not kept: expected a name of letters, digits, dots, - and _, or the ARN of a report group`,
    );
    return;
  }
  await log.say(`Expanding base directory path: ${wanted.baseDirectory}`);
  const gathering = new ReportGathering(run, store, group, wanted.format);
  try {
    for await (const { base, name, file } of reportFiles(run, wanted)) {
      // a file outside the base is told by its absolute path without the leading slash
      taken.add(posix.join(base, name)).add(`/${name}`);
      if (!(await gathering.add(wanted.discardPaths ? posix.basename(name) : name, file))) {
        await gathering.problem(`The report ${group} has more files than are taken; the rest is left out`);
        break;
      }
    }
    if (gathering.files === 0) await gathering.problem(`No matching report paths found for ${wanted.group}`);
    else await log.say(`Found ${gathering.files} file(s)`);
    await gathering.save();
  } finally {
    await gathering.close();
  }
}

/** Regular files alone: no link is followed. */
async function* reportFiles(run: BuildRun, wanted: WantedReport): AsyncGenerator<FoundFile & { base: string }> {
  const { log, signal } = run;
  for (const base of await baseFolders(run, wanted.baseDirectory)) {
    await log.say(`Expanding file paths for base directory ${wanted.baseDirectory}`);
    await log.say('Assembling file list');
    const found = findFiles({
      sandbox: run.sandbox!,
      base,
      patterns: wanted.files,
      excludes: [],
      types: ['file'],
      signal,
      onPattern: (pattern) => log.say(`Expanding ${pattern}`),
      onNothing: (pattern) => log.say(`Skipping invalid file path ${pattern}`),
    });
    for await (const one of found) yield { ...one, base };
  }
}
