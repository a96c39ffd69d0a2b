// Paths of files inside an artifact, as they come in a URL: strangers wrote them, so only plain relative ones pass.
import { Refusal } from '#core/errors.js';

/** What the blob store's keys are made of (libs/blobs); a file of another name cannot lie there. */
const PART = /^[A-Za-z0-9._=+@~ -]{1,255}$/;
const LONGEST = 900;

/**
 * In: the decoded rest of the URL. Out: the same, when it can be the name of a stored file.
 * Errors: Refusal ARTIFACT_NOT_FOUND for anything else, so that nothing is told of what lies outside.
 */
export function checkArtifactPath(path: string): string {
  const parts = path.split('/');
  const plain = parts.every((part) => PART.test(part) && part !== '.' && part !== '..');
  if (plain && path.length <= LONGEST) return path;
  throw new Refusal('ARTIFACT_NOT_FOUND', 'the artifact has no such file', {
    findings: [
      {
        field: 'path',
        expected: 'a relative path of plain names, without `.` and `..`',
        got: JSON.stringify(path.slice(0, 100)),
      },
    ],
  });
}
