// One event of core/transitions written down: build, ended phase, started phase, event row and NOTIFY in one statement.
// The only writer of a build's status and phase. Called inside a transaction that has locked the build's row.
import { Fault } from '#core/errors.js';
import type { BuildId } from '#core/ids.js';
import { type BuildStatus, isFinal, PHASE_TYPES, type PhaseContext, type PhaseType } from '#core/phase.js';
import { type BuildState, PHASE_STATUS_OF, transition, type TransitionEvent } from '#core/transitions.js';
import type { Queryable } from './database.js';
import { BUILD_CHANNEL } from './listen.js';
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
    log_sha256 = CASE WHEN $10 THEN '${EMPTY_SHA256}' ELSE b.log_sha256 END
  FROM moment m WHERE b.id = $1 AND b.version = $2
  RETURNING b.id, m.at
), ended AS (
  UPDATE build_phase p SET status = $11, ended_at = c.at, contexts = $12::jsonb
  FROM changed c WHERE p.build_id = c.id AND p.attempt = $4 AND p.ordinal = $5
), started AS (
  INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, started_at)
  SELECT id, $13, $14, $7, at FROM changed
), told AS (
  INSERT INTO build_event (build_id, attempt, type, data, at) SELECT id, $13, $15, $16::jsonb, at FROM changed
)
SELECT pg_notify('${BUILD_CHANNEL}', id || ' status') FROM changed`;

/**
 * Applies one event to a build whose row is locked and unchanged since it was read.
 * In: `at` = when, null for the database's clock; `contexts` of the phase that ends; `data` for the event row.
 * Out: the new state. A final state ends the lease, and seals the log of a build that nobody ever claimed.
 * Errors: Refusal ILLEGAL_TRANSITION.
 */
export async function applyEvent(
  tx: Queryable,
  build: StandingBuild,
  event: TransitionEvent,
  facts: { contexts: PhaseContext[]; at: Date | null; data?: Record<string, unknown> },
): Promise<BuildState> {
  const next = transition(build.state, event);
  const final = isFinal(next.status);
  const { rowCount } = await tx.query(APPLY, [
    build.id,
    build.version,
    facts.at?.toISOString() ?? null,
    phaseAttempt(build.state.phase, build.attempt),
    PHASE_TYPES.indexOf(build.state.phase),
    next.status,
    next.phase,
    next.failing,
    final,
    final && build.attempt === 0,
    PHASE_STATUS_OF[event],
    storedJson(facts.contexts),
    build.attempt,
    PHASE_TYPES.indexOf(next.phase),
    event,
    storedJson({ from: build.state.phase, to: next.phase, status: next.status, ...facts.data }),
  ]);
  if (rowCount !== 1) {
    throw new Fault('INTERNAL', `build ${build.id} changed, or lost its phase ${build.state.phase}, under its lock`);
  }
  return next;
}

/** SUBMITTED and QUEUED come before any claim: their rows belong to attempt 0. */
function phaseAttempt(phase: PhaseType, attempt: number): number {
  return phase === 'SUBMITTED' || phase === 'QUEUED' ? 0 : attempt;
}
