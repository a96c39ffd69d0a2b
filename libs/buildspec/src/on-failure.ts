// Reads `on-failure` (codebuild-contract C4): ABORT, CONTINUE, RETRY, RETRY-<count>, RETRY-<regex>, RETRY-<count>-<regex>, in any case.
import type { OnFailure } from './buildspec.js';
import { DEFAULT_RETRY_COUNT, MAX_RETRY_COUNT } from './limits.js';

export const ON_FAILURE_EXPECTED = `ABORT, CONTINUE, RETRY, RETRY-<count 0-${MAX_RETRY_COUNT}>, RETRY-<regex> or RETRY-<count>-<regex>`;

/** Out: what to do, or null when the text is none of the forms. All digits after `RETRY-` are a count, never a pattern. */
export function parseOnFailure(text: string): OnFailure | null {
  if (/^abort$/i.test(text)) return { action: 'ABORT' };
  if (/^continue$/i.test(text)) return { action: 'CONTINUE' };
  if (/^retry-\d+-$/i.test(text)) return null;
  const retry = /^retry(?:-(\d+))?(?:-(.+))?$/is.exec(text);
  if (retry === null) return null;
  const [, count, pattern] = retry;
  const times = count === undefined ? DEFAULT_RETRY_COUNT : Number(count);
  return times > MAX_RETRY_COUNT ? null : { action: 'RETRY', count: times, pattern: pattern ?? null };
}
