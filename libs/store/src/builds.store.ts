// Builds: the one way to a build's row. The verbs that need SQL of their own stand in files of their own beside this one.
import type { BatchPlan } from '#core/batch.js';
import type {
  Artifact,
  Build,
  BuildOverrides,
  BuildProgress,
  CacheUse,
  ClaimedBuild,
  ExportedVariable,
  Lease,
  Pause,
  ResumedBy,
  Waiting,
} from '#core/build.js';
import { NOTHING_CARRIED, type Carried } from '#core/fleet.js';
import { asBuildId, type BuildId } from '#core/ids.js';
import type { BuildStatus, PhaseContext, PhaseType } from '#core/phase.js';
import type { BuildState, TransitionEvent } from '#core/transitions.js';
import { adopt, heldOnHost, release, type AdoptRequest, type HeldBuild } from './adopt.js';
import { toArtifact, toBuild, WITH_PHASES } from './build-row.js';
import { claimNext, type ClaimRequest } from './claim.js';
import { createBuild, type NewBuild } from './create-build.js';
import type { Database } from './database.js';
import { deleteBuild } from './delete-builds.js';
import { earlierAttempts } from './earlier-attempts.js';
import { buildNotFound, endLost, expireQueued, requestStop } from './end-build.js';
import { findBuild } from './find-build.js';
import type { Prisma } from './generated/client.js';
import * as leased from './leased-writes.js';
import { WAKE_CHANNEL } from './listen.js';
import { sealAbandonedLogs } from './log-seal.js';
import { cursorId, cursorTime, type Page, readCursor, toPage } from './page.js';
import { requestResume } from './pauses.js';
import { CLAIMABLE_ELSEWHERE, PICK, pickValues, withPickPlan } from './pick.js';
import { whatItWaitsFor } from './waiting.js';

const MINUTE_MS = 60_000;

export class BuildsStore {
  constructor(private readonly db: Database) {}

  // --- requests -------------------------------------------------------------------------------------------------------------

  /** Writes a new build, waiting, in one transaction. Out: its id. Errors: Refusal LIMIT_EXCEEDED, PROJECT_NOT_FOUND (deleted meanwhile). */
  write(request: NewBuild): Promise<BuildId> {
    return createBuild(this.db, request);
  }

  /** The same. Out: the build. */
  async create(request: NewBuild): Promise<Build> {
    return this.get(await this.write(request));
  }

  /** Errors: Refusal BUILD_NOT_FOUND. */
  async get(id: BuildId): Promise<Build> {
    const row = await findBuild(this.db, id);
    if (row === null) throw buildNotFound(id);
    return toBuild(row, (await earlierAttempts(this.db, [row])).get(id));
  }

  /**
   * How far a build is: for those who ask at each of its steps. `attempts` are there where one was followed by another, else none.
   * Errors: Refusal BUILD_NOT_FOUND.
   */
  async progress(id: BuildId): Promise<BuildProgress> {
    const { rows } = await this.db.query<{
      status: BuildStatus;
      phase: PhaseType;
      attempt: number;
      archived: boolean;
      followed: boolean;
    }>(
      `SELECT status, current_phase AS phase, attempt, log_archived AS archived, EXISTS (SELECT 1 FROM build_attempt WHERE build_id = id) AS followed
       FROM build WHERE id = $1`,
      [id],
    );
    const row = rows[0];
    if (row === undefined) throw buildNotFound(id);
    if (row.followed) return this.get(id);
    return {
      status: row.status,
      currentPhase: row.phase,
      attempt: row.attempt,
      attempts: [],
      logArchived: row.archived,
    };
  }

  /**
   * A page of builds, newest first by (queuedAt, id).
   * In: `from` inclusive and `to` exclusive limit queuedAt. Errors: Refusal INVALID_INPUT (cursor).
   */
  async list(request: {
    projectName?: string;
    statuses?: BuildStatus[];
    from?: Date;
    to?: Date;
    cursor?: string;
    limit: number;
  }): Promise<Page<Build>> {
    const and: Prisma.BuildWhereInput[] = [];
    if (request.projectName !== undefined) and.push({ projectName: request.projectName });
    if (request.statuses !== undefined) and.push({ status: { in: request.statuses } });
    if (request.from !== undefined) and.push({ queuedAt: { gte: request.from } });
    if (request.to !== undefined) and.push({ queuedAt: { lt: request.to } });
    const after = readCursor(request.cursor, 2);
    if (after !== null) {
      const queuedAt = cursorTime(after[0] ?? '', request.cursor ?? '');
      const id = cursorId(after[1] ?? '', request.cursor ?? '');
      // The first condition alone lets the index start at the cursor; the second cuts the ties.
      and.push({ queuedAt: { lte: queuedAt } }, { OR: [{ queuedAt: { lt: queuedAt } }, { queuedAt, id: { gt: id } }] });
    }
    const rows = await this.db.models((prisma) =>
      prisma.build.findMany({
        where: { AND: and },
        orderBy: [{ queuedAt: 'desc' }, { id: 'asc' }],
        take: request.limit + 1,
        include: WITH_PHASES,
      }),
    );
    const earlier = await earlierAttempts(this.db, rows);
    return toPage(
      rows,
      request.limit,
      (row) => toBuild(row, earlier.get(row.id)),
      (row) => [row.queuedAt.toISOString(), row.id],
    );
  }

  /** What a build was asked for with, for a retry. Errors: Refusal BUILD_NOT_FOUND. */
  async overridesOf(id: BuildId): Promise<{ overrides: BuildOverrides; projectName: string }> {
    const row = await this.db.models((prisma) =>
      prisma.build.findUnique({ where: { id }, select: { overrides: true, projectName: true } }),
    );
    if (row === null) throw buildNotFound(id);
    return { overrides: row.overrides as unknown as BuildOverrides, projectName: row.projectName };
  }

  /**
   * Asks for a stop. A waiting build ends STOPPED at once; a running one gets stopRequestedAt and its worker a `stop`
   * notification; an ended one is unchanged. Out: the build after it. Errors: Refusal BUILD_NOT_FOUND.
   */
  async requestStop(id: BuildId, by: string): Promise<Build> {
    await requestStop(this.db, id, by);
    return this.get(id);
  }

  /**
   * Asks for the end of the pause that holds a build now; again changes nothing. Its worker hears of it within a second or so.
   * Out: the build after it. Errors: Refusal BUILD_NOT_FOUND, BUILD_NOT_PAUSED.
   */
  async requestResume(id: BuildId, by: string): Promise<Build> {
    await requestResume(this.db, id, by);
    return this.get(id);
  }

  /**
   * Deletes a build with its log. Out: what of it is doomed in the blob store (keys and prefixes), of all attempts: for the caller to
   * delete and to tell DoomedBlobsStore; the cleanup does what the caller could not.
   * Errors: Refusal BUILD_NOT_FOUND, BUILD_IN_PROGRESS.
   */
  delete(id: BuildId): Promise<string[]> {
    return deleteBuild(this.db, id);
  }

  /** Why a waiting build is not running yet, and its place; null for any other. See waiting.ts for what the figures mean. */
  waiting(build: Build): Promise<Waiting | null> {
    return whatItWaitsFor(this.db, build);
  }

  /** Artifacts of the present attempts of many builds, by id, in one question; builds without one are not among them. */
  async artifactsOf(builds: readonly Build[]): Promise<Map<BuildId, Artifact[]>> {
    const may = builds.filter(({ phases }) => phases.some(({ phaseType }) => phaseType === 'UPLOAD_ARTIFACTS'));
    const found = new Map<BuildId, Artifact[]>();
    if (may.length === 0) return found;
    const attempts = new Map(may.map(({ id, attempt }) => [id, attempt]));
    const rows = await this.db.models((prisma) =>
      prisma.buildArtifact.findMany({
        where: { buildId: { in: [...attempts.keys()] } },
        orderBy: { identifier: 'asc' },
      }),
    );
    for (const row of rows) {
      const id = asBuildId(row.buildId);
      if (attempts.get(id) === row.attempt) found.set(id, [...(found.get(id) ?? []), toArtifact(row)]);
    }
    return found;
  }

  /** Artifacts of the present attempt, the primary one first. Errors: Refusal BUILD_NOT_FOUND. */
  async artifacts(id: BuildId): Promise<Artifact[]> {
    const row = await this.db.models((prisma) =>
      prisma.build.findUnique({
        where: { id },
        select: { attempt: true, artifacts: { orderBy: [{ attempt: 'asc' }, { identifier: 'asc' }] } },
      }),
    );
    if (row === null) throw buildNotFound(id);
    return row.artifacts.filter((artifact) => artifact.attempt === row.attempt).map(toArtifact);
  }

  // --- the worker's side: every write is guarded by the lease; Fault LEASE_LOST when it no longer holds -----------------------

  /**
   * Takes the next build that may start (pick.ts says which), or null. The build's timeout counts from here.
   * A later attempt is of the commit that an earlier one found, so that a branch that moved on does not change what is retried.
   */
  async claimNext(request: ClaimRequest): Promise<ClaimedBuild | null> {
    const claim = await claimNext(this.db, request);
    if (claim === null) return null;
    const build = ofSameSource(await this.get(claim.buildId));
    return {
      lease: { buildId: claim.buildId, attempt: claim.attempt, workerId: request.workerId },
      build,
      deadline: deadlineOf(build),
      adopted: null,
    };
  }

  /** Running builds of a Docker host, whoever holds them. */
  heldOnHost(host: string): Promise<HeldBuild[]> {
    return heldOnHost(this.db, host);
  }

  /** Takes a running build over within its attempt, or null when it is not to be had (any more). The old worker's writes are refused from then on. */
  async adopt(request: AdoptRequest): Promise<ClaimedBuild | null> {
    const taken = await adopt(this.db, request);
    if (taken === null) return null;
    const build = await this.get(request.buildId);
    return {
      lease: taken.lease,
      build,
      deadline: deadlineOf(build),
      adopted: { from: request.workerId, state: taken.state, since: taken.since },
    };
  }

  /** Lets a running build go for another worker of its host. */
  release(lease: Lease): Promise<void> {
    return release(this.db, lease);
  }

  /** Prolongs the lease to `leaseMs` from now. */
  renewLease(lease: Lease, leaseMs: number): Promise<Awaited<ReturnType<typeof leased.renewLease>>> {
    return leased.renewLease(this.db, lease, leaseMs);
  }

  /**
   * Applies one event of core/transitions at `at`, with the contexts of the phase that ends. Out: the new state; a final one
   * ends the lease, and so does QUEUED: the build gets another attempt (core/retry.ts), and wants a wake-up in the queue.
   * Errors: also Refusal ILLEGAL_TRANSITION.
   */
  apply(lease: Lease, event: TransitionEvent, contexts: PhaseContext[], at: Date): Promise<BuildState> {
    return leased.applyLeased(this.db, lease, [{ event, contexts, at }]);
  }

  /** The same for several events that follow each other, all or none. Out: the state behind the last. */
  applyAll(lease: Lease, ends: readonly leased.PhaseEnd[]): Promise<BuildState> {
    return leased.applyLeased(this.db, lease, ends);
  }

  /**
   * Ends an attempt of which the worker knows that no command of the build has run, nor will: the build goes back to the queue for
   * another. `reason` is shown; `lost` when the worker before was lost with it, and did not let it go. Its log wants to be sealed
   * before, as before a final status; otherwise the sweep seals it as cut.
   * Out: QUEUED (wake the queue), or a final state when a stop was asked for or this happened too often (core/retry.ts).
   * Errors: also Refusal ILLEGAL_TRANSITION in a phase that runs commands.
   */
  giveBack(lease: Lease, reason: string, lost = false): Promise<BuildState> {
    return leased.giveBack(this.db, lease, reason, lost);
  }

  /** User code may run from now on: the build is no longer taken for one that can be started anew without harm. */
  setHandedOver(lease: Lease): Promise<void> {
    return leased.setHandedOver(this.db, lease);
  }

  setResolvedSource(lease: Lease, version: string): Promise<void> {
    return leased.setResolvedSource(this.db, lease, version);
  }

  setImage(lease: Lease, digest: string): Promise<void> {
    return leased.setImage(this.db, lease, digest);
  }

  setExportedVariables(lease: Lease, variables: ExportedVariable[]): Promise<void> {
    return leased.setExportedVariables(this.db, lease, variables);
  }

  setBatchPlan(lease: Lease, plan: BatchPlan): Promise<void> {
    return leased.setBatchPlan(this.db, lease, plan);
  }

  setCache(lease: Lease, use: CacheUse): Promise<void> {
    return leased.setCache(this.db, lease, use);
  }

  setPaused(lease: Lease, pause: Pause): Promise<void> {
    return leased.setPaused(this.db, lease, pause);
  }

  setResumed(lease: Lease, number: number, by: ResumedBy): Promise<void> {
    return leased.setResumed(this.db, lease, number, by);
  }

  /** The same identifier again replaces the earlier entry. */
  addArtifact(lease: Lease, artifact: Artifact): Promise<void> {
    return leased.addArtifact(this.db, lease, artifact);
  }

  // --- the sweep's side: any process, any time, idempotent --------------------------------------------------------------------

  /** Waiting builds, oldest first. */
  async queuedIds(limit: number): Promise<BuildId[]> {
    const { rows } = await this.db.query<{ id: string }>(
      `SELECT id FROM build WHERE status = 'IN_PROGRESS' AND current_phase = 'QUEUED' AND queued_at > '-infinity'
       ORDER BY queued_at, id LIMIT $1`,
      [limit],
    );
    return rows.map((row) => asBuildId(row.id));
  }

  /** Whether some waiting build could start now on such a worker, if it had a free slot. */
  async hasClaimable(carried: Carried = NOTHING_CARRIED): Promise<boolean> {
    return withPickPlan(this.db, async (tx) => (await tx.query(PICK, pickValues(carried))).rowCount === 1);
  }

  /**
   * Wakes workers for builds that could start, but not on a worker that carries this; with `null`, for all that could start. Each
   * set of asked words is told once, to all who listen (Listener.onWake): those whom it fits and who have a slot take a turn.
   */
  async wakeOthers(carried: Carried | null): Promise<void> {
    const values = [...pickValues(carried ?? NOTHING_CARRIED), carried === null];
    await this.db.query(
      `SELECT pg_notify('${WAKE_CHANNEL}', requires) FROM (${CLAIMABLE_ELSEWHERE}) AS wanted`,
      values,
    );
  }

  /** Ends builds past their queue deadline: TIMED_OUT with context BUILD_QUEUE_TIMED_OUT. Out: their ids. */
  expireQueued(now: Date): Promise<BuildId[]> {
    return expireQueued(this.db, now);
  }

  /**
   * Ends attempts whose lease ran out, `hostLostMs` ago where their container may still run (see endLost): FAULT with context
   * INTERNAL_SERVICE_ERROR, or STOPPED when a stop was asked for; a build that gets another attempt goes back to the queue instead.
   * Then seals the logs of ended attempts that nobody sealed with what is stored. Out: ids of the builds ended or put back.
   */
  async settleLost(now: Date, hostLostMs: number): Promise<BuildId[]> {
    const ended = await endLost(this.db, now, hostLostMs);
    await sealAbandonedLogs(this.db);
    return ended;
  }

  /** True while the build is in progress under that attempt, be its lease run out: a worker of its host may yet go on with it. */
  async isOwned(buildId: BuildId, attempt: number): Promise<boolean> {
    const { rowCount } = await this.db.query(
      `SELECT 1 FROM build WHERE id = $1 AND attempt = $2 AND status = 'IN_PROGRESS' AND current_phase <> 'QUEUED'`,
      [buildId, attempt],
    );
    return rowCount === 1;
  }
}

function ofSameSource(build: Build): Build {
  if (build.attempt <= 1 || build.resolvedSourceVersion === null) return build;
  return { ...build, settings: { ...build.settings, sourceVersion: build.resolvedSourceVersion } };
}

function deadlineOf(build: Build): Date {
  return new Date((build.startedAt ?? build.queuedAt).getTime() + build.settings.timeoutInMinutes * MINUTE_MS);
}
