// The end of an attempt that is not the end of its build: asked before every final status, written instead of it when another attempt
// is granted. Called by apply-event.ts inside its transaction.
import { Fault } from '#core/errors.js';
import { type FinalStatus, PHASE_TYPES, type PhaseContext } from '#core/phase.js';
import type { ProjectSettings } from '#core/project.js';
import { type AttemptEnd, type PastRetries, retryCause, RETRY_RULES, retryRule, type RetryRule } from '#core/retry.js';
import { type BuildState, PHASE_STATUS_OF, type PhaseEvent, transition } from '#core/transitions.js';
import type { StandingBuild } from './apply-event.js';
import type { Queryable } from './database.js';
import { BUILD_CHANNEL } from './listen.js';
import { storedJson } from './stored-json.js';

/** What is about to end an attempt. */
export interface Ending {
  event: PhaseEvent;
  status: FinalStatus;
  /** Of the phase that ends with it. */
  contexts: PhaseContext[];
  at: Date | null;
  /** Set when the worker vouches that no user code has run; null when only the row can tell. */
  unstarted: Unstarted | null;
}

/** A draining worker gave it back, or its worker was lost before. */
export type Unstarted = 'GIVEN_BACK' | 'LOST';

/** How an attempt has ended, and under which rule another follows. */
interface RetriedEnd extends AttemptEnd {
  rule: RetryRule;
}

/**
 * Puts a build whose attempt ends back into the queue when its project's policy, or a free restart, grants another attempt.
 * Out: the state after it, or null when the attempt is the last. The caller has locked the build's row.
 */
export async function retryInstead(tx: Queryable, build: StandingBuild, ending: Ending): Promise<BuildState | null> {
  if (ending.status === 'SUCCEEDED' || ending.status === 'STOPPED') return null;
  const end = await endOf(tx, build, ending);
  if (end === null) return null;
  await requeue(tx, build, ending, end);
  return transition(build.state, 'RETRY');
}

interface RetryRow extends Record<string, unknown> {
  autoRetryLimit: ProjectSettings['autoRetryLimit'] | null;
  retryPolicy: ProjectSettings['retryPolicy'] | null;
  handedOver: boolean;
  stopRequested: boolean;
  failure: PhaseContext | null;
  buildspecRetries: number | null;
  past: { rule: RetryRule; count: number }[] | null;
}

async function endOf(tx: Queryable, build: StandingBuild, ending: Ending): Promise<RetriedEnd | null> {
  const { rows } = await tx.query<RetryRow>(
    `SELECT settings->'autoRetryLimit' AS "autoRetryLimit", settings->'retryPolicy' AS "retryPolicy",
       handed_over AS "handedOver", stop_requested_at IS NOT NULL AS "stopRequested", failure,
       (SELECT max((context->>'retryLimit')::int) FROM build_phase, jsonb_array_elements(contexts) context
        WHERE build_id = $1 AND attempt = $2 AND status = 'FAILED') AS "buildspecRetries",
       (SELECT json_agg(json_build_object('rule', retried_as, 'count', count))
        FROM (SELECT retried_as, count(*) FROM build_attempt WHERE build_id = $1 GROUP BY retried_as) made) AS past
     FROM build WHERE id = $1`,
    [build.id, build.attempt],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const own = ending.contexts[0] ?? null;
  const end: AttemptEnd = {
    status: ending.status,
    context: ending.status === 'FAILED' ? (row.failure ?? own) : own,
    handedOver: row.handedOver && ending.unstarted === null,
    givenBack: ending.unstarted === 'GIVEN_BACK',
    stopRequested: row.stopRequested,
    buildspecRetries: row.buildspecRetries ?? 0,
  };
  const past = Object.fromEntries(RETRY_RULES.map((rule) => [rule, 0])) as Record<RetryRule, number>;
  for (const { rule, count } of row.past ?? []) past[rule] = Number(count);
  const project = { autoRetryLimit: row.autoRetryLimit ?? undefined, retryPolicy: row.retryPolicy ?? undefined };
  const rule = retryRule(end, project, past satisfies PastRetries);
  return rule === null ? null : { ...end, rule };
}

// The row of the build goes on telling of this attempt until the next claim; its worker is taken out at once, so that nothing that it
// still sends passes the guard. The wait belongs to the attempt that follows it.
const REQUEUE = `
WITH moment AS (
  SELECT greatest(coalesce($3::timestamptz, clock_timestamp())::timestamptz(3), started_at) AS at
  FROM build_phase WHERE build_id = $1 AND attempt = $4 AND ordinal = $5
), kept AS (
  INSERT INTO build_attempt (build_id, attempt, worker_id, host, status, cause, context, exit_code, retried_as, image_digest, started_at,
    ended_at, log_line_count, log_byte_count, log_sha256, log_cut)
  SELECT b.id, b.attempt, b.worker_id, b.host, $6, $7, $8::jsonb, $9, $10, b.image_digest, coalesce(b.started_at, m.at), m.at,
    b.log_line_count, b.log_byte_count, b.log_sha256, b.log_cut
  FROM build b, moment m WHERE b.id = $1 AND b.version = $2
), changed AS (
  UPDATE build b SET status = 'IN_PROGRESS', current_phase = 'QUEUED', failing = false, version = b.version + 1,
    worker_id = NULL, lease_until = NULL, requeued_at = m.at,
    queue_deadline = clock_timestamp() + (b.settings->>'queuedTimeoutInMinutes')::int * interval '1 minute'
  FROM moment m WHERE b.id = $1 AND b.version = $2
  RETURNING b.id, m.at
), ended AS (
  UPDATE build_phase p SET status = $11, ended_at = c.at, contexts = $12::jsonb
  FROM changed c WHERE p.build_id = c.id AND p.attempt = $4 AND p.ordinal = $5
), started AS (
  INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, started_at)
  SELECT id, $4, ${PHASE_TYPES.indexOf('COMPLETED')}, 'COMPLETED', at FROM changed
  UNION ALL SELECT id, $4 + 1, ${PHASE_TYPES.indexOf('QUEUED')}, 'QUEUED', at FROM changed
), told AS (
  INSERT INTO build_event (build_id, attempt, type, data, at) SELECT id, $4, 'RETRY', $13::jsonb, at FROM changed
)
SELECT pg_notify('${BUILD_CHANNEL}', id || ' status') FROM changed`;

async function requeue(tx: Queryable, build: StandingBuild, ending: Ending, end: RetriedEnd): Promise<void> {
  const cause = retryCause(end);
  const { event, status } = ending;
  const { rowCount } = await tx.query(REQUEUE, [
    build.id,
    build.version,
    ending.at?.toISOString() ?? null,
    build.attempt,
    PHASE_TYPES.indexOf(build.state.phase),
    status,
    cause,
    end.context === null ? null : storedJson(end.context),
    end.context?.exitCode ?? null,
    end.rule,
    PHASE_STATUS_OF[event],
    storedJson(ending.contexts),
    storedJson({ from: build.state.phase, to: 'QUEUED', event, status, cause, rule: end.rule }),
  ]);
  if (rowCount !== 1) {
    throw new Fault('INTERNAL', `build ${build.id} changed, or lost its phase ${build.state.phase}, under its lock`);
  }
}
