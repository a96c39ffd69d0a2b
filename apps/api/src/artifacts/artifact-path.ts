// Paths of files inside an artifact, as they come in a URL: strangers wrote them, so only plain relative ones pass.
import { keyOfPath } from '#blobs/file-name.js';
import { MAX_KEY_BYTES } from '#blobs/blob-key.js';
import { Refusal } from '#core/errors.js';

/**
 * In: where the artifact lies; the decoded rest of the URL. Out: the key of that file.
 * Errors: Refusal ARTIFACT_NOT_FOUND for what no stored file can be called, so that nothing is told of what lies outside.
 */
export function keyOfArtifactFile(location: string, path: string): string {
  const plain = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  const key = plain && path.length <= MAX_KEY_BYTES ? keyOrNull(path) : null;
  if (key !== null && location.length + 1 + key.length <= MAX_KEY_BYTES) return `${location}/${key}`;
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

/** Null for a path with a name that is too long to be stored. */
function keyOrNull(path: string): string | null {
  try {
    return keyOfPath(path);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
