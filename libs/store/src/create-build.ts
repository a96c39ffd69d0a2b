// A build's first transaction: number, row, phases, event. Called by BuildsStore.create.
import { v7 as timeOrderedUuid } from 'uuid';
import type { BuildOverrides } from '#core/build.js';
import { type CacheScope, MAX_CACHE_SCOPE } from '#core/cache.js';
import { Refusal } from '#core/errors.js';
import { requiresOf } from '#core/fleet.js';
import { asBuildId, type BuildId } from '#core/ids.js';
import { PHASE_TYPES } from '#core/phase.js';
import type { Project, ProjectSettings } from '#core/project.js';
import { applyEvent } from './apply-event.js';
import { isUniqueViolation } from './database-errors.js';
import type { Database, Queryable } from './database.js';
import { dayText } from './log-partitions.js';
import { WAITING } from './pick.js';
import { projectNotFound } from './projects.store.js';
import { storedJson } from './stored-json.js';

export interface NewBuild {
  /** Where the same request may come again: the second one finds the build of the first. */
  id?: BuildId;
  project: Project;
  settings: ProjectSettings;
  overrides: BuildOverrides;
  initiator: string;
  retryOf?: BuildId;
  /** Absent: trusted. A build that follows another (a retry, a member of a batch) has that one's. */
  cacheScope?: CacheScope;
  /** Waiting builds, of all projects, at which more are refused; requests at the same moment may pass it by their number. */
  maxWaiting: number;
}

const MINUTE_MS = 60_000;

/**
 * Writes a new build, waiting. Out: its id; that of the build that is there already where the request names one.
 * Errors: Refusal LIMIT_EXCEEDED, PROJECT_NOT_FOUND (deleted meanwhile).
 */
export async function createBuild(db: Database, request: NewBuild): Promise<BuildId> {
  const { id } = request;
  if (id === undefined) return writeBuild(db, asBuildId(timeOrderedUuid()), request);
  if (await isThere(db, id)) return id;
  try {
    return await writeBuild(db, id, request);
  } catch (error) {
    // the same request was at work at the same moment, and was faster
    if (isUniqueViolation(error) && (await isThere(db, id))) return id;
    throw error;
  }
}

async function isThere(db: Database, id: BuildId): Promise<boolean> {
  return (await db.query('SELECT 1 FROM build WHERE id = $1', [id])).rowCount === 1;
}

async function writeBuild(db: Database, id: BuildId, request: NewBuild): Promise<BuildId> {
  await refuseWhenFull(db, request.maxWaiting);
  await db.transaction(async (tx) => {
    const { number, queuedAt } = await nextNumber(tx, request.project);
    await insertBuild(tx, { id, number, queuedAt, request });
    await applyEvent(
      tx,
      { id, attempt: 0, version: 0, state: { status: 'IN_PROGRESS', phase: 'SUBMITTED', failing: false } },
      'QUEUE',
      {
        contexts: [],
        at: queuedAt,
        data: { initiator: request.initiator },
      },
    );
  });
  return id;
}

/** Errors: Refusal LIMIT_EXCEEDED where so many builds wait already. */
export async function refuseWhenFull(db: Database, maxWaiting: number): Promise<void> {
  const { rows } = await db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (SELECT 1 FROM build WHERE ${WAITING} LIMIT $1) waiting`,
    [maxWaiting],
  );
  if ((rows[0]?.count ?? 0) < maxWaiting) return;
  throw new Refusal(
    'LIMIT_EXCEEDED',
    `${maxWaiting} builds are waiting already; no more are taken until some have started`,
    {
      details: { limit: 'QUEUE_MAX_WAITING', maxWaiting },
    },
  );
}

/** Errors: Error for one that no caller of ours may make. */
export function scopeOf({ cacheScope = null }: { cacheScope?: CacheScope }): CacheScope {
  if (cacheScope === null) return null;
  if (cacheScope !== '' && cacheScope.length <= MAX_CACHE_SCOPE) return cacheScope;
  throw new Error(`a cache scope has 1 to ${MAX_CACHE_SCOPE} characters, got ${cacheScope.length}`);
}

/** The project's row stays locked until the end of the transaction, so numbers and times of a project go up together. */
async function nextNumber(tx: Queryable, project: Project): Promise<{ number: number; queuedAt: Date }> {
  const { rows } = await tx.query<{ number: number; at: Date }>(
    `UPDATE project SET last_build_number = last_build_number + 1 WHERE id = $1
     RETURNING last_build_number AS number, clock_timestamp()::timestamptz(3) AS at`,
    [project.id],
  );
  const row = rows[0];
  if (row === undefined) throw projectNotFound(project.name);
  return { number: row.number, queuedAt: row.at };
}

async function insertBuild(
  tx: Queryable,
  { id, number, queuedAt, request }: { id: BuildId; number: number; queuedAt: Date; request: NewBuild },
): Promise<void> {
  const { project, settings } = request;
  await tx.query(
    `INSERT INTO build (id, project_id, project_name, number, status, current_phase, priority, initiator, source_version,
       settings, overrides, queued_at, queue_deadline, retry_of, log_day, requires, cache_scope)
     VALUES ($1, $2, $3, $4, 'IN_PROGRESS', 'SUBMITTED', $5, $6, $7, $8::jsonb, $9::jsonb, $10, $11, $12, $13, $14, $15)`,
    [
      id,
      project.id,
      project.name,
      number,
      settings.priority,
      request.initiator,
      settings.sourceVersion ?? null,
      storedJson(settings),
      storedJson(request.overrides),
      queuedAt.toISOString(),
      new Date(queuedAt.getTime() + settings.queuedTimeoutInMinutes * MINUTE_MS).toISOString(),
      request.retryOf ?? null,
      dayText(queuedAt),
      requiresOf(settings.environment),
      scopeOf(request),
    ],
  );
  await tx.query(
    'INSERT INTO build_phase (build_id, attempt, ordinal, phase_type, started_at) VALUES ($1, 0, $2, $3, $4)',
    [id, PHASE_TYPES.indexOf('SUBMITTED'), 'SUBMITTED', queuedAt.toISOString()],
  );
}
