// Follows a build's log to its end as a row of events. Pulled: nothing is asked for before the reader has taken what came before.
import type { BuildProgress } from '#core/build.js';
import type { BuildId } from '#core/ids.js';
import { isFinal, type BuildStatus, type PhaseType } from '#core/phase.js';
import type { LogFeed } from './log-feed.js';
import type { LogFeeds } from './log-feeds.js';
import type { LogPosition } from './log-position.js';
import type { StreamEvent } from './sse.js';

/** `from` = the first line that the reader has not; `only` = that attempt and no later one; `signal` ends it when the reader has gone. */
export interface FollowRequest {
  buildId: BuildId;
  from: LogPosition;
  only?: boolean;
  signal: AbortSignal;
}

/**
 * Out: `lines` (as bytes) in order without gap or repeat, `status` whenever it changed, `attempt` between the last line of one attempt
 * and the first of the next, at the end exactly one `end`.
 * Errors: the store's (Refusal BUILD_NOT_FOUND when it was deleted meanwhile, Fault DATABASE_UNAVAILABLE); the signal's reason.
 */
export async function* followLog(
  feeds: LogFeeds,
  request: FollowRequest,
): AsyncGenerator<StreamEvent | Buffer, void, void> {
  const { feed, leave } = feeds.join(request.buildId);
  try {
    yield* follow(feed, request);
  } finally {
    leave();
  }
}

async function* follow(feed: LogFeed, request: FollowRequest): AsyncGenerator<StreamEvent | Buffer, void, void> {
  const { signal, only = false } = request;
  let told: StatusData | null = null;
  let { attempt, seq: next } = request.from;
  for (;;) {
    signal.throwIfAborted();
    let heard = feed.heard; // before reading: a change that comes while we read is heard
    // The status is read before the lines: a final one means that no line follows those read as of then.
    const { build, asOf } = await feed.build();
    const read = (): AsyncGenerator<Buffer, number, void> =>
      readOn(feed, { attempt, next, asOf: Math.max(asOf, heard.log), signal });
    // what is behind the build's present attempt grows no more
    while (!only && attempt < build.attempt) {
      next = yield* read();
      yield { event: 'attempt', data: { attempt: attempt + 1, previous: await previousOf(feed, build, attempt) } };
      attempt += 1;
      next = 0;
    }
    const status = statusOf(build);
    if (!sameStatus(status, told)) yield { event: 'status', data: status };
    told = status;
    for (;;) {
      if (attempt <= build.attempt) next = yield* read();
      if (isFinal(build.status) || (only && wasFollowed(build, attempt)))
        return yield { event: 'end', data: await endOf(feed, build, Math.min(attempt, build.attempt), only) };
      await feed.change(heard, signal);
      if (feed.heard.status > heard.status) break;
      heard = feed.heard;
    }
  }
}

interface StatusData {
  buildStatus: BuildStatus;
  currentPhase: PhaseType;
  attempt: number;
}

function statusOf({ status, currentPhase, attempt }: BuildProgress): StatusData {
  return { buildStatus: status, currentPhase, attempt };
}

function sameStatus(one: StatusData, other: StatusData | null): boolean {
  return (
    one.buildStatus === other?.buildStatus && one.currentPhase === other.currentPhase && one.attempt === other.attempt
  );
}

/** Another attempt followed it, or will. */
function wasFollowed(build: BuildProgress, attempt: number): boolean {
  return build.attempts.some((one) => one.attempt === attempt && one.retriedAs !== null);
}

/** Out: the line with which reading goes on. */
async function* readOn(
  feed: LogFeed,
  at: { attempt: number; next: number; asOf: number; signal: AbortSignal },
): AsyncGenerator<Buffer, number, void> {
  const { attempt, asOf, signal } = at;
  let { next } = at;
  for (;;) {
    const event = await feed.event(attempt, next, asOf);
    if (event === null) return next;
    next = event.next;
    yield event.bytes;
    signal.throwIfAborted();
  }
}

async function previousOf(feed: LogFeed, build: BuildProgress, attempt: number): Promise<object> {
  const one = build.attempts.find((each) => each.attempt === attempt);
  const end = await endOf(feed, build, attempt, true);
  return { ...end, cause: one?.cause ?? null, message: one?.context?.message ?? '' };
}

/** `own` = tell the attempt's status, not the build's. */
async function endOf(feed: LogFeed, build: BuildProgress, attempt: number, own: boolean): Promise<object> {
  const { lineCount, seal } = await feed.size(attempt);
  const one = own ? build.attempts.find((each) => each.attempt === attempt) : undefined;
  return {
    attempt,
    buildStatus: one?.status ?? build.status,
    lineCount,
    sha256: seal?.sha256 ?? null,
    complete: seal !== null && seal.cut !== true,
  };
}
