// Room: source. What git's ending means for the build, in words that carry no credential.
import { Fault, PhaseFailure } from '#core/errors.js';
import { GitExit } from './git-command.js';
import { withoutUserinfo } from './git-location.js';

const NO_SPACE = /No space left on device|Disk quota exceeded/i;
const REFUSED =
  /Authentication failed|could not read (Username|Password)|Permission denied|Access denied|returned error: 40[13]|Host key verification failed|invalid credentials/i;
const NOT_FOUND =
  /repository .*not found|returned error: 404|does not appear to be a git repository|does not exist|not a git repository/i;
const CORRUPT =
  /corrupt|bad object|bad tree|missing (blob|tree|commit|object)|loose object|inflate|unable to (read|parse)|not a git repository|packfile|pack has|index-pack|object file .* is empty|invalid sha1 pointer|bad signature|bad config|did not send all necessary objects|broken|unresolved deltas|does not point to a valid object/i;

/** Whether a failure on a mirror reads like damage to the mirror itself. */
export function isCorruption(thrown: unknown): boolean {
  return (
    thrown instanceof GitExit &&
    !NO_SPACE.test(thrown.stderr) &&
    !REFUSED.test(thrown.stderr) &&
    CORRUPT.test(thrown.stderr)
  );
}

/**
 * Translates a GitExit; anything else is passed on as it is.
 * Out: CLIENT_ERROR where the location or credential is wrong, Fault STORAGE_FULL, else SOURCE_FETCH_FAILED. git's last lines are kept, cleaned.
 */
export function translateGitFailure(thrown: unknown, shown: string, secrets: readonly string[]): unknown {
  if (!(thrown instanceof GitExit)) return thrown;
  const said = cleanText(thrown.stderr, secrets);
  if (NO_SPACE.test(said))
    return new Fault('STORAGE_FULL', `no space left for the source ${shown}`, { retryable: true });
  if (REFUSED.test(said)) {
    return new PhaseFailure(
      'CLIENT_ERROR',
      `access to ${shown} was refused; expected a credential that may read it (source.auth): ${said}`,
    );
  }
  if (NOT_FOUND.test(said))
    return new PhaseFailure('CLIENT_ERROR', `there is no repository at ${shown}, or no right to see it: ${said}`);
  return new PhaseFailure('SOURCE_FETCH_FAILED', `fetching ${shown} failed: ${said || thrown.message}`);
}

/** The last lines of what git or the remote said: no credential, no userinfo, no control characters, at most 1,000 characters. */
export function cleanText(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) clean = clean.replaceAll(secret, '***');
  return withoutUserinfo(clean)
    .split(/[\r\n]+/)

    .map((line) => line.replace(/[\u0000-\u001f\u007f]/g, ' ').trim())
    .filter(
      (line) =>
        line !== '' && !/^(remote: )?(Receiving|Counting|Compressing|Enumerating|Resolving|Updating) /.test(line),
    )
    .slice(-6)
    .join('; ')
    .slice(-1_000);
}
