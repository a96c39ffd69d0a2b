// INSTALL, PRE_BUILD, BUILD, POST_BUILD: the script runs them by itself; here its words become outcomes.
import type { PlannedPhase } from '#buildspec/plan.js';
import { Fault, PhaseFailure } from '#core/errors.js';
import type { PhaseOutcome } from '#core/outcome.js';
import type { CommandPhase, PhaseContext } from '#core/phase.js';
import type { BuildRun } from '../build-run.js';
import { matchesError } from './error-match.js';
import { checkDisks } from './full-disk.js';
import type { Finish } from './script-watch.js';

export interface EndedPhase {
  outcome: PhaseOutcome;
  /** When the script says it ended. */
  at?: Date;
}

/** Waits for one phase of the script. Errors: Fault when the sandbox was lost; the signal's reason. */
export async function commandPhase(run: BuildRun, phase: CommandPhase): Promise<EndedPhase> {
  const finish = await run.script!.phase(phase, run.signal);
  if (finish === null) return { outcome: await endedEarly(run, phase) };
  if (finish.succeeded) return { outcome: { kind: 'succeeded' }, at: finish.at };
  await checkDisks(run);
  if (run.diskExceeded !== null) return { outcome: await endedEarly(run, phase) };
  const planned = plannedPhase(run, phase);
  const action = planned.onFailure.action;
  const context = commandContext(planned, finish);
  const outcome: PhaseOutcome = { kind: 'failed', context: { ...context, ...retryOf(planned, context.message) } };
  if (action === 'ABORT' || action === 'CONTINUE') outcome.onFailure = action;
  return { outcome, at: finish.at };
}

function plannedPhase(run: BuildRun, phase: CommandPhase): PlannedPhase {
  return run.source!.plan.phases.find((one) => one.type === phase)!;
}

/** What the buildspec wants of a failure with this message; libs/core/src/retry.ts decides at the end of the attempt. */
function retryOf({ onFailure }: PlannedPhase, message: string): Pick<PhaseContext, 'retryLimit'> {
  if (onFailure.action !== 'RETRY') return {};
  const { pattern, count } = onFailure;
  return pattern === null || matchesError(pattern, message) === true ? { retryLimit: count } : {};
}

function commandContext(planned: PlannedPhase, finish: Finish & { succeeded: false }): PhaseContext {
  const text = planned[finish.list]?.[finish.index] ?? ''; // a plan that an older worker kept has no runtimes
  return {
    statusCode: 'COMMAND_EXECUTION_ERROR',
    message: `Error while executing command: ${text}. Reason: ${reasonOf(planned, finish)}`,
    exitCode: finish.exitCode,
  };
}

/** In the words that the script has said in the log. */
function reasonOf({ runAs }: PlannedPhase, { note, exitCode }: Finish & { succeeded: false }): string {
  switch (note) {
    case 'no-user':
      return `run-as names the user ${runAs ?? ''}, whom this image does not have`;
    case 'no-su':
      return 'run-as needs the program su, which this image does not have';
    case 'oom':
      return `exit status ${exitCode} (the build container ran out of memory)`;
    case null:
      return `exit status ${exitCode}`;
    default:
      return note satisfies never;
  }
}

/** A container whose events ended with it has told its exit by then. */
const EXIT_SEEN_MS = 200;

/** A container's exit status after a SIGKILL or SIGTERM of somebody else's, and after its host or engine went down with it. */
const ENDED_FROM_OUTSIDE: ReadonlySet<number> = new Set([137, 143, 255]);

/** The sandbox ended before its script did: what ended it decides. The rest of the phases cannot run. */
async function endedEarly(run: BuildRun, phase: CommandPhase): Promise<PhaseOutcome> {
  const sandbox = run.sandbox!;
  // events that ended while the container runs on were tampered with: it is we who end it then
  const killedHere = await Promise.race([
    sandbox.wait().then(() => false),
    run.ports.clock.sleep(EXIT_SEEN_MS).then(() => true),
  ]);
  await sandbox.kill();
  const exit = await sandbox.wait();
  await checkDisks(run);
  const { memoryBytes } = sandbox.limits;
  const failed = (statusCode: string, message: string): PhaseOutcome => ({
    kind: 'failed',
    context: { statusCode, message, ...retryOf(plannedPhase(run, phase), message) },
    onFailure: 'ABORT',
  });
  if (run.diskExceeded !== null) return failed('BUILD_OUT_OF_DISK', run.diskExceeded);
  if (run.script!.unusable !== null) {
    throw new PhaseFailure(
      'BUILD_CONTAINER_UNUSABLE',
      `The buildspec asks for env.shell ${run.script!.unusable}, which the image ${run.request.build.settings.environment.image} does not have`,
    );
  }
  if (exit.outOfMemory) {
    return failed(
      'BUILD_OUT_OF_MEMORY',
      `The build container ran out of memory (${Math.round(memoryBytes / 1024 ** 2)} MiB)`,
    );
  }
  if (sandbox.ownProcesses && ENDED_FROM_OUTSIDE.has(exit.exitCode) && !killedHere) {
    // nobody inside can kill the first process of a container, and it ends itself with 0 or 1
    const message = `The build container was ended from outside (exit status ${exit.exitCode}): killed, or its engine or host went down`;
    throw new Fault('SANDBOX_LOST', message);
  }
  if (!run.script!.started)
    return failed(
      'BUILD_CONTAINER_UNUSABLE',
      `The build container ended before it ran a command (exit status ${exit.exitCode})`,
    );
  return failed(
    'COMMAND_EXECUTION_ERROR',
    `The build container ended in the middle of its commands (exit status ${exit.exitCode})`,
  );
}
