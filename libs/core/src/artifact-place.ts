// Where an artifact lies as CodeBuild tells it (codebuild-contract A5, C5). Kilnyard keeps the bytes in a store of its own, where they are
// found by their build; the place is what users and their tools know them by.
import type { ProjectArtifacts } from './project.js';

/** The bucket of projects that name none. */
export const OWN_BUCKET = 'kilnyard';

/**
 * `arn:aws:s3:::<bucket>/<path>/<build id>/<name>`, the id only with namespaceType BUILD_ID.
 * In: `s3Prefix` of the buildspec, which takes the place of the path. Out: without empty parts; a zip's name is taken as given.
 */
export function artifactPlace(
  target: Pick<ProjectArtifacts, 'location' | 'path' | 'namespaceType'>,
  { buildId, name, s3Prefix = null }: { buildId: string; name: string; s3Prefix?: string | null },
): string {
  const bucket = (target.location ?? OWN_BUCKET).replace(/^arn:aws:s3:::/, '');
  const id = target.namespaceType === 'BUILD_ID' ? buildId : '';
  const parts = [bucket, s3Prefix ?? target.path ?? '', id, name].flatMap((part) => part.split('/'));
  return `arn:aws:s3:::${parts.filter((part) => part !== '' && part !== '.').join('/')}`;
}
