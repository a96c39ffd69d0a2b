// Artifacts as they are shown.
import { z } from 'zod';
import type { Artifact } from '#core/build.js';
import { timestamp } from '../projects/project.dto.js';
import { PRIMARY_ARTIFACT } from '../projects/project-fields.dto.js';

export const artifactView = z
  .object({
    identifier: z.string().meta({ description: 'Empty for the primary artifact.' }),
    name: z.string(),
    packaging: z.enum(['NONE', 'ZIP']),
    fileCount: z.int(),
    sizeBytes: z.int(),
    sha256: z.string().nullable().meta({ description: 'Of the zip; null for a folder.' }),
    downloadUrl: z.string().meta({ description: 'The zip; for a folder, the folder zipped on the fly.' }),
    filesUrl: z.string().nullable().meta({ description: 'List of the files of a folder; null for a zip.' }),
    createdAt: timestamp,
    expiredAt: timestamp.nullable().meta({ description: 'When retention took its bytes; a download answers 410.' }),
  })
  .meta({ id: 'Artifact' });
export const artifactList = z.object({ items: z.array(artifactView) }).meta({ id: 'ArtifactList' });

export const artifactFiles = z
  .object({
    items: z.array(z.object({ path: z.string(), sizeBytes: z.int(), downloadUrl: z.string() })),
    truncated: z.boolean().meta({ description: 'There are more files than are listed.' }),
  })
  .meta({ id: 'ArtifactFiles' });

/** `buildId`: the public id. */
export function toArtifactView(buildId: string, artifact: Artifact): z.infer<typeof artifactView> {
  const { identifier, name, packaging, fileCount, sizeBytes, sha256, createdAt, expiredAt } = artifact;
  const base = artifactUrl(buildId, identifier);
  return {
    identifier,
    name,
    packaging,
    fileCount,
    sizeBytes,
    sha256: sha256 ?? null,
    downloadUrl: packaging === 'ZIP' ? base : `${base}?format=zip`,
    filesUrl: packaging === 'ZIP' ? null : `${base}/files`,
    createdAt: createdAt.toISOString(),
    expiredAt: expiredAt?.toISOString() ?? null,
  };
}

/** Path of an artifact on this API; the primary one goes by a name that no other may have. */
export function artifactUrl(buildId: string, identifier: string): string {
  return `/v1/builds/${buildId}/artifacts/${identifier === '' ? PRIMARY_ARTIFACT : encodeURIComponent(identifier)}`;
}
