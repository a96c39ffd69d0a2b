// What a waiting build waits for, and its place, by the same order as the pick. Called by BuildsStore.waiting.
import type { Build, Waiting } from '#core/build.js';
import { fleetName, fleetOf, requiresOf } from '#core/fleet.js';
import type { Database } from './database.js';
import { RUNNING, WAITING } from './pick.js';

/** A worker that was not heard of for so long takes no builds. */
export const WORKER_SEEN_MS = 60_000;

/** The fleet's word in `requires`. Builds of other fleets never compete; for labels the place is as if every worker had them all. */
const FLEET = `substring(requires FROM '(?:^|,)(fleet=[^,]*)')`;

/** A project's builds that compete with ours: those that wait with our priority or a higher one. */
export interface Competitor {
  projectName: string;
  running: number;
  /** concurrentBuildLimit. */
  limit: number | null;
  /** Waiting with a higher priority. */
  above: number;
  /** Waiting with our priority. */
  same: number;
  /** Of `same`, those older than ours. */
  older: number;
}

interface Slots {
  /** Workers that take builds, also those that this one does not fit. */
  all: number;
  workers: number;
  slots: number;
  running: number;
}

/** Out: null when the build does not wait (any more). */
export async function whatItWaitsFor(db: Database, build: Build): Promise<Waiting | null> {
  if (build.status !== 'IN_PROGRESS' || build.currentPhase !== 'QUEUED') return null;
  const competitors = await competitorsOf(db, build);
  const own = competitors.find((competitor) => competitor.projectName === build.projectName);
  if (own === undefined) return null;
  const position = positionOf(own, competitors);
  const slots = await slotsInUse(db, build);
  if (slots.workers === 0) return { ...nobodyFor(build, slots.all), position };
  if (own.limit !== null && own.running >= own.limit) {
    const message = `Project ${own.projectName} runs ${own.running} builds; its concurrentBuildLimit is ${own.limit}.`;
    return { reason: 'PROJECT_LIMIT', message, position };
  }
  if (slots.running >= slots.slots) {
    const message = `${slots.running} of ${slots.slots} slots on ${slots.workers} worker(s)${slots.workers < slots.all ? ' that fit' : ''} are in use.`;
    return { reason: 'WORKERS_BUSY', message, position };
  }
  const message = `${slots.slots - slots.running} of ${slots.slots} slots are free; builds start in order.`;
  return { reason: 'NEXT', message, position };
}

/**
 * The build's place, 1 = next to start, as if no build ended and none came meanwhile.
 * Builds ahead in its own project put it behind as many starts of every other project: by the time it is picked, its project runs
 * `level` builds, so each other project has been filled up to that level (as far as its waiting builds and its limit go).
 * Approximate in one thing: at a project's last start before ours, age decides between the two, and only its oldest build's is known.
 */
export function positionOf(own: Competitor, competitors: Competitor[]): number {
  const ahead = own.above + own.older;
  const level = own.running + ahead;
  let position = ahead + 1;
  for (const other of competitors) {
    if (other === own) continue;
    const room = other.limit === null ? Infinity : Math.max(0, other.limit - other.running);
    const fill = Math.min(other.same, Math.max(0, level - other.running - other.above));
    const tie = fill < other.same && other.running + other.above + fill === level && other.older > fill ? 1 : 0;
    position += Math.min(room, other.above + fill + tie);
  }
  return position;
}

async function competitorsOf(db: Database, build: Build): Promise<Competitor[]> {
  const { rows } = await db.query<Competitor & Record<string, unknown>>(
    `WITH mine AS (
       SELECT priority, queued_at, id, ${FLEET} AS fleet FROM build WHERE id = $1 AND ${WAITING}
     ), queue AS (
       SELECT b.project_name,
         count(*) FILTER (WHERE b.priority > m.priority)::int AS above,
         count(*) FILTER (WHERE b.priority = m.priority)::int AS same,
         count(*) FILTER (WHERE b.priority = m.priority AND (b.queued_at, b.id) < (m.queued_at, m.id))::int AS older
       FROM mine m JOIN (SELECT * FROM build WHERE ${WAITING}) b
         ON b.priority >= m.priority AND ${FLEET} IS NOT DISTINCT FROM m.fleet
       GROUP BY b.project_name
     ), running AS (
       SELECT project_name, count(*)::int AS count FROM build WHERE ${RUNNING} GROUP BY project_name
     )
     SELECT q.project_name AS "projectName", q.above, q.same, q.older, coalesce(r.count, 0) AS running,
       p.concurrent_build_limit AS "limit"
     FROM queue q
     LEFT JOIN running r ON r.project_name = q.project_name
     LEFT JOIN project p ON p.name = q.project_name`,
    [build.id],
  );
  return rows;
}

function nobodyFor(build: Build, all: number): Omit<Waiting, 'position'> {
  const seen = `has been seen in the last ${WORKER_SEEN_MS / 1000} s.`;
  const { fleet, labels = [] } = build.settings.environment;
  if (all === 0) return { reason: 'NO_WORKER', message: `No worker that takes builds ${seen}` };
  const words = [
    ...(fleet === undefined ? [] : [`of fleet ${fleetName(fleet.fleetArn)}`]),
    ...(labels.length === 0 ? [] : [`with the labels ${[...labels].sort().join(', ')}`]),
  ];
  const which = words.length === 0 ? 'outside of all fleets' : words.join(' ');
  return { reason: 'NO_MATCHING_WORKER', message: `No worker ${which} that takes builds ${seen}` };
}

/** Of the workers that the build fits. */
async function slotsInUse(db: Database, build: Build): Promise<Slots> {
  const { rows } = await db.query<Slots & Record<string, unknown>>(
    `WITH live AS (
       SELECT id, slots, fleet, labels FROM worker WHERE state = 'ACTIVE' AND seen_at > now() - $1 * interval '1 millisecond'
     ), fitting AS (
       SELECT id, slots FROM live WHERE fleet = $2 AND $3::text[] <@ labels
     )
     SELECT (SELECT count(*)::int FROM live) AS all, count(*)::int AS workers, coalesce(sum(slots), 0)::int AS slots,
       (SELECT count(*)::int FROM build WHERE ${RUNNING} AND worker_id IN (SELECT id FROM fitting)) AS running
     FROM fitting`,
    [WORKER_SEEN_MS, fleetOf(requiresOf(build.settings.environment)), build.settings.environment.labels ?? []],
  );
  return rows[0] ?? { all: 0, workers: 0, slots: 0, running: 0 };
}
