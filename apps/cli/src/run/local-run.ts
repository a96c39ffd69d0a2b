// One run from its build to its end, and everything of it gone: called by run.ts, which knows the command line.
import { setInterval } from 'node:timers';
import type { Settings } from '#config/settings.js';
import type { Build } from '#core/build.js';
import { Interrupt, messageOf } from '#core/errors.js';
import { asWorkerId, publicBuildId } from '#core/ids.js';
import type { FinalStatus } from '#core/phase.js';
import type { RunPorts, SecretResolver } from '#engine/ports.js';
import { runBuild, type RunEnd } from '#engine/run-build.js';
import { FolderArtifacts } from './folder-artifacts.js';
import { FolderCache } from './folder-cache.js';
import { LocalJournal } from './local-journal.js';
import { LocalReports, reportLines } from './local-reports.js';
import { LocalSource } from './local-source.js';
import type { Outside } from './outside.js';
import { RunEngine } from './run-engine.js';
import { clearDeadRuns, RunFolder } from './run-folder.js';
import { RunSeal } from './run-seal.js';
import { SystemClock } from './system-clock.js';
import { TerminalLog } from './terminal-log.js';

export type RunStatus = FinalStatus | 'NO_ENGINE';
/** A line for people. */
type Say = (text: string) => void;

export interface LocalRun {
  build: Build;
  settings: Settings<'docker' | 'logs' | 'worker'>;
  secrets: SecretResolver;
  /** Absolute; null: artifacts are not kept. */
  artifacts: string | null;
  cache: string | null;
  /** For people, beside the log. */
  say: (text: string) => void;
  outside: Outside;
}

/** Errors: UsageError for a source that cannot be copied; else none but bugs. Nothing of the run is left behind. */
export async function runLocally(run: LocalRun): Promise<RunStatus> {
  const say = (text: string): void => run.say(`kilnyard: ${text}\n`);
  const interrupt = new AbortController();
  const unlisten = stopWhenAsked(interrupt, run.outside, say);
  // nothing else may keep the process while a container is looked at from time to time
  const awake = setInterval(() => undefined, 60_000);
  try {
    return await onEngine(run, interrupt.signal, say);
  } finally {
    clearInterval(awake);
    unlisten();
  }
}

function stopWhenAsked(interrupt: AbortController, outside: Outside, say: Say): () => void {
  let asked = false;
  return outside.onStop((why) => {
    if (asked && why === 'asked') {
      say('left at once; the next run on this machine clears up behind this one');
      outside.leave(130);
    }
    asked ||= why === 'asked';
    if (asked) say('the build is being stopped (again to leave at once)');
    interrupt.abort(new Interrupt('stop'));
  });
}

async function onEngine(run: LocalRun, signal: AbortSignal, say: Say): Promise<RunStatus> {
  const { docker } = run.settings;
  const { env, tempDir } = run.outside;
  const socket = docker.dockerSocket || (env['DOCKER_HOST'] ?? '') || '/var/run/docker.sock';
  const engineOf = (place: { id: string; path: string }): RunEngine => new RunEngine(place, docker, socket);
  const folder = await RunFolder.make(tempDir, socket, sourceFolders(run.build));
  const engine = engineOf(folder);
  const { cpus, message } = await engine.backend.health();
  if (cpus === 0) {
    say(`no Docker Engine answers at ${socket}: ${message}`);
    await engine.backend.close();
    await folder.remove();
    return 'NO_ENGINE';
  }
  try {
    await clearBehindOthers({ tempDir, socket }, engineOf, say);
    return await attempts(run, engine, signal, say);
  } finally {
    try {
      await engine.clear();
      await folder.remove();
    } catch (error) {
      say(`something of the run is left, the next one clears up behind it: ${messageOf(error)}`);
    }
  }
}

async function clearBehindOthers(
  place: { tempDir: string; socket: string },
  engineOf: (place: { id: string; path: string }) => RunEngine,
  say: Say,
): Promise<void> {
  try {
    const cleared = await clearDeadRuns(place, engineOf);
    if (cleared > 0) say(`cleared up behind ${cleared} earlier run(s) that were killed`);
  } catch (error) {
    say(`an earlier run that was killed could not be cleared up: ${messageOf(error)}`);
  }
}

async function attempts(run: LocalRun, engine: RunEngine, signal: AbortSignal, say: Say): Promise<FinalStatus> {
  const { build, outside } = run;
  const journal = new LocalJournal();
  for (let attempt = 1; ; attempt += 1) {
    journal.begin();
    const reports = new LocalReports();
    const warned: Promise<void>[] = [];
    const warn = (): void => void warned.push(warnOfOpenHost(engine.backend, say));
    const ports = portsOf(run, engine, { journal, reports, warn, say });
    const end = await runBuild(requestOf(run, attempt), ports, signal);
    await Promise.all(warned); // it may be laying rules, which are to be taken away
    for (const report of reports.saved.values()) for (const line of reportLines(report)) say(line);
    if (end === 'RETRIED') {
      say(`attempt ${attempt} failed (${journal.lastFailure}), another follows`);
      continue;
    }
    const status = finalOf(end);
    for (const { identifier, fileCount, location } of journal.artifacts)
      say(`${identifier === '' ? 'artifact' : `artifact ${identifier}`}: ${fileCount} file(s) in ${location}`);
    const why = status === 'SUCCEEDED' ? '' : `: ${journal.lastFailure}`;
    say(`${publicBuildId(build.projectName, build.id)} on ${outside.hostName} ${status}${why}`);
    return status;
  }
}

function sourceFolders({ settings: { source, secondarySources } }: Build): string[] {
  return [source, ...secondarySources].flatMap(({ location }) => location ?? []);
}

function finalOf(end: RunEnd): FinalStatus {
  if (end === 'RETRIED' || end === 'HANDED_OVER' || end === 'NOT_STARTED')
    throw new Error(`a run on this machine alone cannot end as ${end}`);
  return end;
}

function requestOf({ build, settings, outside }: LocalRun, attempt: number): Parameters<typeof runBuild>[0] {
  const { logLineBytes, logBuildBytes, logFlushMs } = settings.logs;
  return {
    build: { ...build, attempt },
    lease: { buildId: build.id, attempt, workerId: asWorkerId(outside.hostName) },
    deadline: new Date(Date.now() + build.settings.timeoutInMinutes * 60_000),
    workerName: outside.hostName,
    buildUrl: '',
    // asked for by the person whose machine it is
    privilegedAllowed: build.settings.environment.privilegedMode,
    logLimits: { maxLineBytes: logLineBytes, maxBuildBytes: logBuildBytes, flushMs: logFlushMs },
    diskCheckMs: settings.worker.diskCheckMs,
    adopted: null,
    leaseHeld: () => true,
  };
}

function portsOf(
  { secrets, artifacts, cache, outside }: LocalRun,
  { backend }: RunEngine,
  own: { journal: LocalJournal; reports: LocalReports; warn: () => void; say: Say },
): RunPorts {
  const clock = new SystemClock();
  return {
    backend,
    source: new LocalSource(outside.env),
    secrets,
    journal: own.journal,
    log: new TerminalLog((bytes) => outside.write(bytes), outside.colour),
    recordSeal: new RunSeal(),
    // never asked without a folder: the settings say NO_ARTIFACTS then
    artifacts: new FolderArtifacts(artifacts ?? outside.tempDir, clock),
    cache: cache === null ? null : new FolderCache(cache, clock),
    reports: own.reports,
    clock,
    observer: {
      phaseEnded: (phase, status) => {
        if (phase === 'PROVISIONING' && status === 'SUCCEEDED') own.warn();
      },
      bug: (error) => own.say(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    },
  };
}

/** Behind PROVISIONING, since the rules may need the image that was pulled there. */
async function warnOfOpenHost(backend: RunEngine['backend'], say: Say): Promise<void> {
  const { ok, cpus, message } = await backend.health();
  if (!ok && cpus > 0) say(`the build can reach this machine over its network: ${message}`);
}
