// Auto-discovery: report files in the source folder that the buildspec does not name, each format in a group of its own
// (codebuild-contract C6). It is bounded in time, since it looks through whatever a build left behind.
import { posix } from 'node:path';
import { compileGlobs } from '#buildspec/globs.js';
import { Fault, Refusal, messageOf } from '#core/errors.js';
import type { ReportFormat } from '#core/report.js';
import type { SandboxFile } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import type { ReportStore } from '../ports.js';
import { MAX_REPORT_FILE_BYTES, ReportGathering } from './gather-report.js';

const TIMEOUT_MS = 5_000;
/** Bytes of a file's beginning that tell its format. */
const GUESS_BYTES = 4_096;
/** What lies here is other people's: their reports are not this build's. */
const PASSED_OVER = new Set(['node_modules', '.git']);

/** `taken`: absolute paths that the buildspec's own reports have. Errors: Fault; the signal's reason. */
export async function discoverReports(
  run: BuildRun,
  store: ReportStore,
  pattern: string,
  taken: ReadonlySet<string>,
): Promise<void> {
  const { log, ports } = run;
  await log.say(`Set report auto-discover timeout to ${TIMEOUT_MS / 1000} seconds`);
  const began = ports.clock.now().getTime();
  const elapsed = (): number => ports.clock.now().getTime() - began;
  const found = new Map<ReportFormat, ReportGathering>();
  try {
    const late = (): boolean => elapsed() > TIMEOUT_MS;
    for await (const { path, file } of candidates(run, store, pattern, { taken, late })) {
      await take(run, store, found, path, file);
    }
    if (late()) await log.say('Report auto-discover has reached its timeout; what is left is not looked at');
    const kept = [...found.values()].filter(({ taken: files }) => files > 0);
    if (kept.length === 0) await log.say('No matching auto-discover report paths found');
    await log.say(`Report auto-discover file discovery took ${(elapsed() / 1000).toFixed(6)} seconds`);
    for (const gathering of kept) await gathering.save();
  } finally {
    for (const gathering of found.values()) await gathering.close();
  }
}

async function* candidates(
  run: BuildRun,
  store: ReportStore,
  pattern: string,
  { taken, late }: { taken: ReadonlySet<string>; late: () => boolean },
): AsyncGenerator<{ path: string; file: SandboxFile }> {
  const { sourceDir } = run.source!;
  let matches: (path: string) => boolean;
  try {
    matches = compileGlobs([posix.isAbsolute(pattern) ? posix.relative(sourceDir, pattern) : pattern]);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return run.log.say(error.message);
  }
  const choice = {
    enters: (folder: string): boolean => !PASSED_OVER.has(posix.basename(folder)),
    wants: (path: string): boolean => store.mayBeReport(path) && matches(path),
  };
  for await (const file of run.sandbox!.files(sourceDir, run.signal, choice)) {
    if (late()) return;
    if (file.type !== 'file' || file.sizeBytes === 0 || file.sizeBytes > MAX_REPORT_FILE_BYTES) continue;
    if (!choice.wants(file.path)) continue;
    if (!taken.has(posix.join(sourceDir, file.path))) yield { path: file.path, file };
  }
}

async function take(
  run: BuildRun,
  store: ReportStore,
  found: Map<ReportFormat, ReportGathering>,
  path: string,
  file: SandboxFile,
): Promise<void> {
  const report = await reportOf(run, store, path, file);
  if (report === null) return;
  const { format, bytes } = report;
  let gathering = found.get(format);
  if (gathering === undefined) {
    await run.log.say(`Found report files of the format ${format}`);
    gathering = new ReportGathering(run, store, `${run.request.build.projectName}-${format}-AutoDiscovered`, format);
    found.set(format, gathering);
  }
  if (gathering.wantsMore) await gathering.addBytes(path, bytes);
}

/** Reads on behind the first bytes only where these look like a report. */
async function reportOf(
  run: BuildRun,
  store: ReportStore,
  path: string,
  file: SandboxFile,
): Promise<{ format: ReportFormat; bytes: Buffer } | null> {
  const parts: Buffer[] = [];
  let size = 0;
  let format: ReportFormat | null = null;
  try {
    for await (const part of await file.open()) {
      parts.push(Buffer.from(part as Buffer));
      size += part.length;
      if (format !== null || size < GUESS_BYTES) continue;
      format = store.guessFormat(path, Buffer.concat(parts));
      if (format === null) return null;
    }
  } catch (error) {
    run.signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    await run.log.say(`Report file ${path} cannot be read: ${messageOf(error)}`);
    return null;
  }
  const bytes = Buffer.concat(parts);
  format ??= store.guessFormat(path, bytes);
  return format === null ? null : { format, bytes };
}
