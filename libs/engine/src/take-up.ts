// A run that another worker began is taken up where it stands. Called by run-build.ts.
import { COMPUTE_TYPES } from '#core/compute-type.js';
import { FAULT_CODES, Fault } from '#core/errors.js';
import type { PhaseContext, PhaseType } from '#core/phase.js';
import { ENGINE_AWAY_MS, type Sandbox } from './backend/backend.js';
import type { BuildRun } from './build-run.js';
import type { LogPipeline, LogPipelineOptions } from './logs/pipeline.js';
import { watchScript } from './phases/script-output.js';
import type { LogSink } from './ports.js';
import { readRecord, type RunRecord } from './run-record.js';

/** A script that was handed over says so within this time. */
const STARTED_SEEN_MS = 2_000;
/** How often an engine that is away is asked again. */
const ENGINE_LOOK_MS = 500;

/** `sealed`: what is said again belongs to a log that is whole already, and goes nowhere. */
export type OpenLog = (more: Pick<LogPipelineOptions, 'startAt'> & { sealed?: boolean }) => LogPipeline;

/**
 * Finds the sandbox and what was kept of the run, and opens its log behind what is stored.
 * Out: `gone` when there is no sandbox any more; `not-started` when no command of the build can have run; `going-on` otherwise, and
 * then the script is being followed. In each case run.log is set.
 * Errors: Fault DOCKER_UNAVAILABLE after ENGINE_AWAY_MS; the signal's reason; Fault INTERNAL for a record that cannot be read; what the log's sink throws.
 */
export async function takeUp(
  run: BuildRun,
  phase: PhaseType,
  openLog: OpenLog,
): Promise<'gone' | 'not-started' | 'going-on'> {
  const { build } = run.request;
  const log = await run.ports.log.stored();
  run.log = openLog({ startAt: { ...log, lost: null }, sealed: log.sealed });
  run.sandbox = await sandboxOf(run);
  const mayBeUnstarted = phase === 'PROVISIONING' || phase === 'DOWNLOAD_SOURCE';
  if (run.sandbox === null) return mayBeUnstarted && !build.handedOver ? 'not-started' : 'gone';
  const record = await readRecord(run);
  // asked only where it may be: later the events file is the build's to change, and tells nothing of its beginning
  if (mayBeUnstarted && (record === null || !(await hasStarted(run)))) return 'not-started';
  if (record === null) throw new Fault('INTERNAL', 'the record of the run is gone from its control folder');
  goOn(run, record, openLog, log);
  if (record.fault !== null) run.fail(toFault(record.fault));
  return 'going-on';
}

/** An engine that is away when the build is taken up is waited for, as it is while a build runs. Errors: as takeUp; the signal's reason. */
async function sandboxOf({ ports, request, signal }: BuildRun): Promise<Sandbox | null> {
  const { lease, build } = request;
  const { buildId, attempt } = lease;
  const limits = COMPUTE_TYPES[build.settings.environment.computeType];
  const until = ports.clock.now().getTime() + ENGINE_AWAY_MS;
  for (;;) {
    try {
      return await ports.backend.adopt({ buildId, attempt, limits });
    } catch (error) {
      const away = error instanceof Fault && error.code === 'DOCKER_UNAVAILABLE' && error.retryable;
      if (!away || ports.clock.now().getTime() > until) throw error;
      await ports.clock.sleep(ENGINE_LOOK_MS, signal);
    }
  }
}

function goOn(
  run: BuildRun,
  record: RunRecord,
  openLog: OpenLog,
  { stored, hash, sealed }: Awaited<ReturnType<LogSink['stored']>>,
): void {
  if (stored.source?.part === 'head' && record.lost !== null)
    throw new Fault('INTERNAL', 'the record of the run tells of a log over its limit, the stored log does not');
  const lost = stored.source?.part === 'full' ? record.lost : null;
  run.log = openLog({ startAt: { stored, hash, lost }, sealed });
  run.lost = record.lost;
  run.log.addSecrets(record.secrets);
  run.source = record.source;
  run.cacheUse = record.cacheUse;
  watchScript(run);
}

/** What ended the build before could not be written then; it does not count again what became of the container since. */
function toFault({ message, faultCode }: PhaseContext): Fault {
  const code = FAULT_CODES.find((one) => one === faultCode) ?? 'INTERNAL';
  return new Fault(code, message);
}

/** Its first event tells. A script that was not wholly handed over never says it, and nothing of it runs. */
async function hasStarted(run: BuildRun): Promise<boolean> {
  const looking = new AbortController();
  const events = run.sandbox!.events(looking.signal)[Symbol.asyncIterator]();
  const late = run.ports.clock.sleep(STARTED_SEEN_MS, looking.signal).then(
    () => looking.abort(new Error('late')),
    () => undefined, // seen in time
  );
  try {
    const first = await events.next();
    return first.done !== true && first.value.startsWith('start');
  } catch (error) {
    if (looking.signal.aborted) return false;
    throw error;
  } finally {
    looking.abort(new Error('seen'));
    await late;
    await events.return?.();
  }
}
