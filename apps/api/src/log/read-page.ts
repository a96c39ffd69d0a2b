// One page of a build's log, with the place at which the next one begins: later in the same attempt, or in the one that follows it.
import type { Build } from '#core/build.js';
import { isFinal } from '#core/phase.js';
import type { z } from 'zod';
import type { LogSources } from './follow-log.js';
import { toLineView, type logPage } from './log.dto.js';
import { cursorAt, type LogPosition } from './log-position.js';

/**
 * In: `from` = the first line wanted; `only` = that attempt and no later one.
 * Out: `complete` when no line follows: the attempt's log is closed and read to its end and, unless it alone is wanted, the build has
 * ended with it. Errors: the store's.
 */
export async function readPage(
  { builds, logs }: Pick<LogSources, 'builds' | 'logs'>,
  request: { build: Build; from: LogPosition; only: boolean; limit: number },
): Promise<z.output<typeof logPage>> {
  const { build, from, only, limit } = request;
  const { attempt } = from;
  // no worker has taken this attempt yet
  if (attempt > build.attempt)
    return { ...pageEnd(isFinal(build.status) ? null : from), lines: [], attempt: build.attempt };
  const page = await logs.read({ buildId: build.id, attempt, fromSeq: from.seq, limit });
  const lines = page.lines.map(toLineView);
  const here = { attempt, seq: page.nextSeq };
  if (!page.complete) return { ...pageEnd(here), lines, attempt };
  if (only) return { ...pageEnd(null), lines, attempt };
  // read after the lines: a build that has ended with this attempt by now has no others
  const now = await builds.get(build.id);
  if (isFinal(now.status) && now.attempt === attempt) return { ...pageEnd(null), lines, attempt };
  const followed = now.attempts.some((one) => one.attempt === attempt && one.retriedAs !== null);
  return { ...pageEnd(followed ? { attempt: attempt + 1, seq: 0 } : here), lines, attempt };
}

function pageEnd(next: LogPosition | null): { nextCursor: string | null; complete: boolean } {
  return { nextCursor: next === null ? null : cursorAt(next), complete: next === null };
}
