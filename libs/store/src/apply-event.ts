// One event of core/transitions written down: build, ended phase, started phase, event row and NOTIFY in one statement.
// The only writer of a build's status and phase. Called inside a transaction that has locked the build's row.
import { Fault, Refusal } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import { type BuildStatus, isFinal, PHASE_TYPES, type PhaseContext, type PhaseType } from '#core/phase.js';
import {
  type BuildState,
  type PhaseEvent,
  PHASE_STATUS_OF,
  transition,
  type TransitionEvent,
} from '#core/transitions.js';
import { settleTask } from './batch/settle-task.js';
import type { Queryable } from './database.js';
import { BUILD_CHANNEL } from './listen.js';
import { retryInstead, type Unstarted } from './retry-build.js';
import { storedJson } from './stored-json.js';

/** Where a locked build stands. */
export interface StandingBuild {
  id: BuildId;
  /** Of the claim under which it runs; 0 while nobody has claimed it. */
  attempt: number;
  version: number;
  state: BuildState;
}

/** The columns that `standing` reads. */
export const STANDING_COLUMNS = 'id, attempt, version, status, current_phase, failing';
export interface StandingRow {
  id: string;
  attempt: number;
  version: number;
  status: string;
  current_phase: string;
  failing: boolean;
}

export function standing(row: StandingRow): StandingBuild {
  return {
    id: row.id as BuildId,
    attempt: row.attempt,
    version: row.version,
    state: { status: row.status as BuildStatus, phase: row.current_phase as PhaseType, failing: row.failing },
  };
}

/** SHA-256 of nothing: the seal of a log to which nobody can have written. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

// `at` is never before the phase began: clocks of worker and database may differ by a little.
const APPLY = `
WITH moment AS (
  SELECT greatest(coalesce($3::timestamptz, clock_timestamp())::timestamptz(3), started_at) AS at
  FROM build_phase WHERE build_id = $1 AND attempt = $4 AND ordinal = $5
), changed AS (
  UPDATE build b SET status = $6, current_phase = $7, failing = $8, version = b.version + 1,
    ended_at = CASE WHEN $9 THEN m.at END,
    lease_until = CASE WHEN $9 THEN NULL ELSE b.lease_until END,
    log_line_count = CASE WHEN $10 THEN 0 ELSE b.log_line_count END,
    log_byte_count = CASE WHEN $10 THEN 0 ELSE b.log_byte_count END,
    log_sha256 = CASE WHEN $10 THEN '${EMPTY_SHA256}' ELSE b.log_sha256 END,
    failure = CASE WHEN $18 THEN coalesce(b.failure, $17::jsonb) ELSE coalesce($17::jsonb, b.failure) END
  FROM moment m WHERE b.id = $1 AND b.version = $2
  RETURNING b.id, m.at, b.batch_id
), ended AS (
  UPDATE build_phase p SET status = $11, ended_at = c.at, contexts = $12::jsonb
  FROM changed c WHERE p.build_id = c.id AND p.attempt = $4 AND p.ordinal = $5
), started AS (
  INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, started_at)
  SELECT id, $13, $14, $7, at FROM changed
), told AS (
  INSERT INTO build_event (build_id, attempt, type, data, at) SELECT id, $13, $15, $16::jsonb, at FROM changed
)
SELECT pg_notify('${BUILD_CHANNEL}', id || ' status'), batch_id AS "batchId" FROM changed`;

/**
 * Applies one event to a build whose row is locked and unchanged since it was read.
 * In: `at` = when, null for the database's clock; `contexts` of the phase that ends; `data` for the event row; `unstarted` when its
 * worker vouches that no user code has run.
 * Out: the new state. A final state ends the lease, and seals the log of a build that nobody ever claimed. Where the event would end
 * an attempt and another one is granted (retry-build.ts), the build is QUEUED again instead. The end of a build of a batch moves the batch
 * on with it (batch/settle-task.ts).
 * Errors: Refusal ILLEGAL_TRANSITION, also for RETRY, which nobody may ask for.
 */
export async function applyEvent(
  tx: Queryable,
  build: StandingBuild,
  event: TransitionEvent,
  facts: { contexts: PhaseContext[]; at: Date | null; data?: Record<string, unknown>; unstarted?: Unstarted },
): Promise<BuildState> {
  if (event === 'RETRY')
    throw new Refusal('ILLEGAL_TRANSITION', 'RETRY follows from the event that ends an attempt; got it by itself');
  const next = transition(build.state, event);
  const { status } = next;
  const final = isFinal(status);
  if (isFinal(status) && build.state.phase !== 'QUEUED' && build.attempt > 0) {
    const { contexts, at, unstarted = null } = facts;
    const queued = await retryInstead(tx, build, { event, status, contexts, at, unstarted });
    if (queued !== null) return queued;
  }
  const failure = failureIn(event, facts.contexts);
  const { rowCount, rows } = await tx.query<{ batchId: string | null }>(APPLY, [
    build.id,
    build.version,
    facts.at?.toISOString() ?? null,
    phaseAttempt(build, event),
    PHASE_TYPES.indexOf(build.state.phase),
    next.status,
    next.phase,
    next.failing,
    final,
    final && build.attempt === 0,
    PHASE_STATUS_OF[event],
    storedJson(facts.contexts),
    final && build.state.phase === 'QUEUED' ? phaseAttempt(build, event) : build.attempt,
    PHASE_TYPES.indexOf(next.phase),
    event,
    storedJson({ from: build.state.phase, to: next.phase, status: next.status, ...facts.data }),
    failure === null ? null : storedJson(failure),
    event === 'FAIL' || event === 'FAIL_ABORT',
  ]);
  if (rowCount !== 1) {
    throw new Fault('INTERNAL', `build ${build.id} changed, or lost its phase ${build.state.phase}, under its lock`);
  }
  const batchId = rows[0]?.batchId ?? null;
  if (isFinal(status) && batchId !== null) await settleTask(tx, batchId, { buildId: build.id, status });
  return next;
}

/** What the event tells of why the attempt ends badly. Of failures the first counts; what interrupts them counts in their stead. */
function failureIn(event: PhaseEvent, contexts: PhaseContext[]): PhaseContext | null {
  const tells = event === 'FAIL' || event === 'FAIL_ABORT' || event === 'FAULT' || event === 'TIME_OUT';
  return tells ? (contexts[0] ?? null) : null;
}

/**
 * Whose the row of the phase that ends is. SUBMITTED and the first wait come before any claim and belong to attempt 0; a later wait
 * belongs to the attempt that follows it, whose number a claim has set already.
 */
function phaseAttempt({ state: { phase }, attempt }: StandingBuild, event: PhaseEvent): number {
  if (phase === 'SUBMITTED') return 0;
  if (phase !== 'QUEUED') return attempt;
  const waitsFor = event === 'CLAIM' ? attempt : attempt + 1;
  return waitsFor <= 1 ? 0 : waitsFor;
}
