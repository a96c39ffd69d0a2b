// Proves the attempts of a build that were followed by another. Pure.
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import { RUN_LINE, type Expected } from './builds.js';
import { ownOutput, ranTwice, runIds, wrongOutput } from './compare.js';
import { listed } from './findings.js';
import { wrongSeal, type AttemptLog } from './verify-log.js';

type AttemptView = BuildView['attempts'][number];

/** Code of the fault that ended these phases; undefined for none. */
export function faultOf(phases: BuildView['phases']): string | undefined {
  return phases.flatMap(({ contexts }) => contexts.flatMap(({ faultCode }) => faultCode ?? []))[0];
}

/**
 * One that was killed is kept as FAULT with its log, whole as far as it came; one whose worker was lost or left before has run
 * nothing. In: the logs of all attempts, in order.
 */
export function wrongAttempts(view: BuildView, expected: Expected, logs: readonly AttemptLog[]): string | null {
  const earlier = view.attempts.slice(0, -1);
  const wrongs = earlier.flatMap((attempt, index) => {
    const log = logs[index]!;
    const wrong =
      attempt.retriedAs === 'AUTO_RETRY' ? wrongKilled(attempt, expected, log) : wrongUnstarted(attempt, log);
    return wrong === null ? [] : [`attempt ${attempt.attempt}: ${wrong}`];
  });
  const killed = earlier.filter(({ retriedAs }) => retriedAs === 'AUTO_RETRY').length;
  if (killed !== expected.killedAttempts)
    wrongs.push(`expected ${expected.killedAttempts} attempts to be tried again, got ${killed}`);
  const runs = logs.flatMap(({ lines }) => runIds(lines));
  if (new Set(runs).size !== runs.length) wrongs.push('an attempt has the output of another one');
  return listed(wrongs);
}

function wrongKilled(
  { status, cause, log: seal, phases }: AttemptView,
  expected: Expected,
  log: AttemptLog,
): string | null {
  const output = ownOutput(log.lines);
  const full = faultOf(phases ?? []) === 'STORAGE_FULL';
  const end = `${status} ${cause}`;
  const wrongs = [
    end === (full ? 'FAULT FAULT' : 'FAULT WORKER_LOST') ? null : `it ended ${end}`,
    wrongOutput({ ...expected, extent: 'beginning' }, output),
    ranTwice(output),
    full || output[0] === RUN_LINE ? null : 'its log does not begin with its run',
    wrongSeal(seal, log, { extent: 'beginning', whole: true }),
  ];
  return listed(wrongs.filter((wrong) => wrong !== null));
}

/** Its log may end where its worker was lost. */
function wrongUnstarted({ retriedAs, log: seal }: AttemptView, log: AttemptLog): string | null {
  const output = ownOutput(log.lines);
  const wrongs = [
    retriedAs === 'LOST_START' || retriedAs === 'GIVEN_BACK' ? null : `it was followed by another as ${retriedAs}`,
    output.length === 0 ? null : `it was given up as not started, and has printed ${JSON.stringify(output[0])}`,
    wrongSeal(seal, log, { extent: 'beginning', whole: false }),
  ];
  return listed(wrongs.filter((wrong) => wrong !== null));
}
