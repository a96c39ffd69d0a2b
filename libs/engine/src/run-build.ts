// Runs one claimed build to its end: phase by phase as core's transitions say, whatever happens on the way.
// apps/worker calls it with store-backed ports. It knows no queue, no HTTP and no SQL.
import {
  Fault,
  Interrupt,
  KilnyardError,
  PhaseFailure,
  Refusal,
  messageOf,
  type InterruptReason,
} from '#core/errors.js';
import type { PhaseOutcome } from '#core/outcome.js';
import {
  COMMAND_PHASES,
  isFinal,
  type CommandPhase,
  type FinalStatus,
  type PhaseContext,
  type PhaseType,
} from '#core/phase.js';
import { PHASE_STATUS_OF, transition, type BuildState, type PhaseEvent } from '#core/transitions.js';
import type { BuildRequest, BuildRun } from './build-run.js';
import { LogPipeline } from './logs/pipeline.js';
import { commandPhase } from './phases/commands.js';
import { buildspecFailure, downloadSource } from './phases/download-source.js';
import { checkDisks, withDisks } from './phases/full-disk.js';
import { provision } from './phases/provision.js';
import { uploadArtifacts } from './phases/upload-artifacts.js';
import { watchDisk } from './phases/watch-disk.js';
import { Pauses } from './pauses.js';
import { PhaseNotes } from './phase-notes.js';
import { LogSink, type RunPorts } from './ports.js';
import { keepRecord } from './run-record.js';
import { takeUp, type OpenLog } from './take-up.js';

/** How long the container may take from its script's end to its own. */
const SCRIPT_EXIT_MS = 5_000;
/** How long a run that is handed over tries to store what it has read. */
const HAND_OVER_MS = 3_000;

/** What became of a run: the build's final status, or that it goes on without this worker. */
export type RunEnd =
  | FinalStatus
  /** The attempt has ended, and the build is back in the queue for another. Its log is sealed, its sandbox gone. */
  | 'RETRIED'
  /** The sandbox and the log are left as they are, for another worker of this host to adopt. */
  | 'HANDED_OVER'
  /** No command of the build has run, and none will under this attempt. The attempt's log is sealed, its sandbox gone. */
  | 'NOT_STARTED';

/**
 * Runs `request.build` from where it stands to COMPLETED.
 * In: `interrupt` aborts with an Interrupt as its reason; `drain` hands the run over. Out: how it ended; a final status and the log are
 * written before it resolves.
 * Errors: Fault LEASE_LOST when another worker owns the build now; the database's fault when something could not be written.
 * The sandbox is gone when it settles, or about to be, but for HANDED_OVER and for an error behind which the build may go on: there it is left.
 */
export async function runBuild(request: BuildRequest, ports: RunPorts, interrupt: AbortSignal): Promise<RunEnd> {
  const stop = new AbortController();
  const ending = new AbortController();
  const abort = (): void => stop.abort(interrupt.reason);
  if (interrupt.aborted) abort();
  interrupt.addEventListener('abort', abort);
  const untilDeadline = request.deadline.getTime() - ports.clock.now().getTime();
  const deadline = new AbortController();
  ports.clock.sleep(Math.max(0, untilDeadline), deadline.signal).then(
    () => stop.abort(new Interrupt('timeout')),
    () => undefined, // the build ended before
  );
  const openLog: OpenLog = ({ sealed = false, ...more }) =>
    new LogPipeline({
      sink: sealed ? new SealedLog() : ports.log,
      clock: ports.clock,
      limits: request.logLimits,
      ...more,
      onStored: (position) => run.sandbox?.release(position),
      onLost: (lost) => {
        run.lost = lost;
        return keepRecord(run);
      },
      onFailure: (error) => run.fail(error),
    });
  const run: BuildRun = {
    request,
    ports,
    log: openLog({}),
    signal: stop.signal,
    ending: ending.signal,
    fail: (error) => stop.abort(error),
    notes: new PhaseNotes(ports.journal, (error) => stop.abort(error)),
    pauses: new Pauses({ request, ports, fail: (error) => stop.abort(error), sandbox: () => run.sandbox }),
    sandbox: null,
    source: null,
    script: null,
    outputRead: null,
    outputLost: false,
    lost: null,
    diskExceeded: null,
    cacheUse: null,
  };
  const disk = watchDisk(run);
  let leave = false;
  try {
    const end =
      request.adopted === null ? await throughPhases(run, BEGINNING) : await goOn(run, request.adopted, openLog);
    leave = end === 'HANDED_OVER';
    return end;
  } catch (error) {
    run.log.abandon(error);
    leave = true;
    throw error;
  } finally {
    interrupt.removeEventListener('abort', abort);
    deadline.abort();
    disk.stop();
    ending.abort();
    if (!leave) await run.sandbox?.discard();
  }
}

interface Standing {
  state: BuildState;
  /** When its phase began; null for now. */
  since: Date | null;
}
const BEGINNING: Standing = { state: { status: 'IN_PROGRESS', phase: 'PROVISIONING', failing: false }, since: null };

/** In place of a log whose worker died between its seal and the status: the status is all that is missing. */
class SealedLog extends LogSink {
  async append(): Promise<void> {}
  async seal(): Promise<void> {}
  stored(): never {
    throw new Error('a sealed log is not taken up again');
  }
}

async function goOn(run: BuildRun, adopted: Standing, openLog: OpenLog): Promise<RunEnd> {
  try {
    const found = await takeUp(run, adopted.state.phase, openLog);
    if (found === 'not-started') return await notStarted(run);
    run.outputLost = found === 'gone';
    if (found === 'gone')
      run.fail(new Fault('SANDBOX_LOST', 'The build container is gone; its worker was lost before'));
  } catch (error) {
    if (isLeftToOthers(error)) throw error;
    // nothing is known of it yet: whether its commands run is for the next worker to find out
    if (isDrain(run.signal.reason)) return 'HANDED_OVER';
    run.outputLost = true;
    run.fail(error);
  }
  return throughPhases(run, adopted);
}

async function throughPhases(run: BuildRun, from: Standing): Promise<RunEnd> {
  let { state } = from;
  let began = from.since ?? run.ports.clock.now();
  const { notes } = run;
  while (!isFinal(state.status) && state.phase !== 'QUEUED') {
    notes.throwFailure();
    const performed = await perform(run, state);
    if (performed === 'drain') await Promise.all([notes.settled(), run.pauses.settled()]);
    if (performed === 'drain') return run.script === null ? notStarted(run) : handOver(run);
    const { outcome, at } = performed;
    const event = eventOf(outcome);
    const next = transition(state, event);
    const contexts = contextsOf(outcome).map((one) => ({ ...one, message: run.log.masked(one.message) }));
    await sayOutcome(run, state.phase, outcome);
    if (next.phase === 'COMPLETED') await endLog(run);
    const now = run.ports.clock.now();
    // the script's clock is the build's to set: it counts only between the phase's beginning and now
    const ended = new Date(Math.min(Math.max(at?.getTime() ?? now.getTime(), began.getTime()), now.getTime()));
    const phase = state.phase;
    const note = { phase, event, contexts, at: ended };
    try {
      if (next.phase === 'COMPLETED') await run.pauses.settled();
      if (next.phase === 'COMPLETED' || !mayLag(phase)) state = await notes.write(note);
      else {
        notes.add(note);
        state = next;
      }
    } catch (error) {
      if (outcome.kind === 'fault') await keepFault(run, contexts[0]!);
      throw error;
    }
    run.ports.observer.phaseEnded?.(phase, PHASE_STATUS_OF[event], ended.getTime() - began.getTime());
    began = ended;
  }
  return isFinal(state.status) ? state.status : 'RETRIED';
}

/** A fault that cannot be written down, as when it is the database's disk that is full, is told by whoever adopts the build. */
async function keepFault(run: BuildRun, context: PhaseContext): Promise<void> {
  if (run.sandbox === null || run.source === null) return; // no command has run: it goes back to the queue
  await keepRecord(run, context).catch((error: unknown) => run.ports.observer.bug?.(error)); // then the adopter tells what it finds
}

/**
 * May the next phase begin before the end of this one is written down? Behind the hand-over, where the script goes on by itself anyway and
 * an adopter reads the phases from its events; and where the source follows, which waits for it before the hand-over (download-source.ts).
 */
function mayLag(phase: PhaseType): boolean {
  return isCommandPhase(phase) || phase === 'UPLOAD_ARTIFACTS' || phase === 'PROVISIONING';
}

/** The script runs on by itself; what has been read of it is stored, as far as that goes within HAND_OVER_MS. */
async function handOver(run: BuildRun): Promise<'HANDED_OVER'> {
  const patience = new AbortController();
  const late = run.ports.clock.sleep(HAND_OVER_MS, patience.signal).catch(() => undefined); // it was stored in time
  await Promise.race([run.log.flush().catch(() => undefined), late]); // the successor reads again what is not stored
  patience.abort();
  run.log.abandon(new Interrupt('drain'));
  return 'HANDED_OVER';
}

async function notStarted(run: BuildRun): Promise<'NOT_STARTED'> {
  await run.log
    .say('The worker leaves before a command has run; the build goes back to the queue')
    .catch(() => undefined); // endLog meets it again
  await endLog(run);
  return 'NOT_STARTED';
}

type Performed = { outcome: PhaseOutcome; at?: Date } | 'drain';

async function perform(run: BuildRun, state: BuildState): Promise<Performed> {
  try {
    run.signal.throwIfAborted();
    return await phaseWork(run, state);
  } catch (thrown) {
    if (isDrain(run.signal.reason)) return 'drain';
    return { outcome: await outcomeOf(run, thrown) };
  }
}

function isDrain(reason: unknown): boolean {
  return reason instanceof Interrupt && reason.reason === 'drain';
}

async function phaseWork(run: BuildRun, { phase, failing }: BuildState): Promise<{ outcome: PhaseOutcome; at?: Date }> {
  if (isCommandPhase(phase)) return commandPhase(run, phase);
  switch (phase) {
    case 'PROVISIONING':
      return { outcome: await provision(run) };
    case 'DOWNLOAD_SOURCE':
      // adopted with its script running: only the word of it was not written down
      if (run.script !== null) return { outcome: { kind: 'succeeded' } };
      return { outcome: await downloadSource(run) };
    case 'UPLOAD_ARTIFACTS':
      await scriptOver(run);
      return { outcome: await uploadArtifacts(run, !failing) };
    case 'FINALIZING':
      // its log is a part of the build: without the end of it the build has not gone well
      await run.log.flush();
      return { outcome: { kind: 'succeeded' } };
    default:
      throw new Error(`a worker has no work in phase ${phase}`);
  }
}

function isCommandPhase(phase: PhaseType): phase is CommandPhase {
  return COMMAND_PHASES.some((one) => one === phase);
}

/** The script has told all; its container is ended, and every byte of its output is in the log. */
async function scriptOver(run: BuildRun): Promise<void> {
  await run.script!.end(run.signal);
  const patience = new AbortController();
  const late = run.ports.clock
    .sleep(SCRIPT_EXIT_MS, patience.signal)
    .then(() => run.sandbox!.kill())
    .catch(() => undefined); // it ended in time; or it cannot be killed now, and the wait below tells why
  await unlessAborted(run.sandbox!.wait(), run.signal);
  patience.abort();
  await late;
  await unlessAborted(run.outputRead!, run.signal);
  const { pumpEnded } = run.script!;
  if (pumpEnded === null) return;
  await checkDisks(run);
  await run.log.say(
    `The build ended the process that stores its output (exit status ${pumpEnded}); what came after is missing here`,
  );
}

/** A stop or a timeout does not wait for an engine that tells nothing. Errors: the signal's reason; what `work` throws. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Behind these the build goes on without this run: it is another worker's, or the database was away for longer than a build waits, and
 * whoever adopts it when that is back finds container and output as they are.
 */
function isLeftToOthers(error: unknown): boolean {
  return error instanceof Fault && (error.code === 'LEASE_LOST' || error.code === 'DATABASE_UNAVAILABLE');
}

/** Everything thrown in a phase, as one of the five ends. Errors: those that leave the build to others go on up. */
async function outcomeOf(run: BuildRun, thrown: unknown): Promise<PhaseOutcome> {
  // first cause wins: what broke because of an interrupt is that interrupt
  const error = await withDisks(run, run.signal.aborted ? run.signal.reason : thrown);
  if (error instanceof Interrupt) return interrupted(error.reason);
  if (error instanceof PhaseFailure) return failed(error);
  if (error instanceof Refusal) {
    return failed(
      error.code === 'BUILDSPEC_INVALID'
        ? await buildspecFailure(run, error)
        : new PhaseFailure('CLIENT_ERROR', error.message),
    );
  }
  if (isLeftToOthers(error)) throw error;
  if (!(error instanceof KilnyardError)) run.ports.observer.bug?.(error);
  const faultCode = error instanceof Fault ? error.code : 'INTERNAL';
  return { kind: 'fault', context: { statusCode: 'INTERNAL_SERVICE_ERROR', message: messageOf(error), faultCode } };
}

function failed(error: PhaseFailure): PhaseOutcome {
  return { kind: 'failed', context: { statusCode: error.code, message: error.message } };
}

function interrupted(reason: InterruptReason): PhaseOutcome {
  switch (reason) {
    case 'stop':
      return { kind: 'stopped', context: { statusCode: '', message: 'The build was stopped.' } };
    case 'timeout':
      return { kind: 'timed-out', context: { statusCode: 'BUILD_TIMED_OUT', message: 'Build has timed out.' } };
    case 'drain':
      throw new Error('a run that is handed over has no outcome'); // perform sees to it
    case 'lease-lost':
      throw new Fault('LEASE_LOST', 'the build belongs to another worker now');
    default:
      return reason satisfies never;
  }
}

function eventOf(outcome: PhaseOutcome): PhaseEvent {
  switch (outcome.kind) {
    case 'succeeded':
      return 'SUCCEED';
    case 'failed':
      return outcome.onFailure === undefined ? 'FAIL' : `FAIL_${outcome.onFailure}`;
    case 'fault':
      return 'FAULT';
    case 'stopped':
      return 'STOP';
    case 'timed-out':
      return 'TIME_OUT';
    default:
      return outcome satisfies never;
  }
}

function contextsOf(outcome: PhaseOutcome): PhaseContext[] {
  return [outcome.kind === 'succeeded' ? { statusCode: '', message: '' } : outcome.context];
}

/** What the script has not said itself. */
async function sayOutcome(run: BuildRun, phase: PhaseType, outcome: PhaseOutcome): Promise<void> {
  if (outcome.kind === 'succeeded') return;
  const { statusCode, message } = outcome.context;
  if (
    outcome.kind === 'failed' &&
    statusCode === 'COMMAND_EXECUTION_ERROR' &&
    message.startsWith('Error while executing')
  )
    return;
  await run.sandbox?.kill();
  await run.outputRead?.catch(() => undefined); // its failure is the outcome that is being told
  await run.log.say(`Phase complete: ${phase} State: ${PHASE_STATUS_OF[eventOf(outcome)]}`).catch(() => undefined); // as above
  await run.log.say(`Phase context status code: ${statusCode} Message: ${message}`).catch(() => undefined); // as above
}

/**
 * The last byte is stored before the status is written. A log that cannot be stored whole is left unsealed, and the sweep
 * seals it as cut; it must not keep the build from ending.
 */
async function endLog(run: BuildRun): Promise<void> {
  await run.sandbox?.kill();
  await run.outputRead?.catch(() => undefined); // told as the outcome already, or met again by end()
  try {
    await run.log.end(run.outputLost);
  } catch (error) {
    if (isLeftToOthers(error)) throw error;
    run.ports.observer.bug?.(error);
  }
}
