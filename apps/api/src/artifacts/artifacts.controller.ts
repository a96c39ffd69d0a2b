// Artifacts over HTTP: listed, downloaded whole, or file by file. What is inside was made by strangers and is only ever handed on.
import type { Readable } from 'node:stream';
import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Artifact, Build } from '#core/build.js';
import { Refusal } from '#core/errors.js';
import { parseBuildId, publicBuildId } from '#core/ids.js';
import { Blobs } from '#blobs/blobs.js';
import { pathOfKey } from '#blobs/file-name.js';
import { BuildsStore } from '#store/builds.store.js';
import { Describe } from '../docs/describe.js';
import { BUILD_PARAM, EXAMPLE_BUILD_ID } from '../docs/examples.js';
import { contentDisposition } from '../http/content-disposition.js';
import { refusalOf } from '../http/findings.js';
import { SANDBOX, sendBytes } from '../http/send-bytes.js';
import { PRIMARY_ARTIFACT } from '../projects/project-fields.dto.js';
import { artifactFiles, artifactList, artifactUrl, toArtifactView } from './artifact.dto.js';
import { keyOfArtifactFile } from './artifact-path.js';
import { zipFolder } from './zip-folder.js';

/** More files than this are not listed in one answer; the zip holds them all. */
const MAX_FILES_LISTED = 10_000;
const BINARY = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
const downloadQuery = z.strictObject({
  format: z.enum(['zip']).optional().meta({ description: 'Needed for a folder: zips it on the fly.' }),
});
const ARTIFACT_PARAM = {
  ...BUILD_PARAM,
  artifact: { description: 'Its identifier; `primary` for the primary artifact.', example: PRIMARY_ARTIFACT },
};
const EXAMPLE_URL = artifactUrl(EXAMPLE_BUILD_ID, '');

@ApiTags('Artifacts')
@Controller('v1/builds/:id/artifacts')
export class ArtifactsController {
  constructor(
    private readonly builds: BuildsStore,
    private readonly blobs: Blobs,
  ) {}

  @Get()
  @Describe({
    summary: 'List artifacts',
    description: 'What the build left behind.',
    params: BUILD_PARAM,
    answer: artifactList,
    example: {
      items: [
        {
          identifier: '',
          name: 'demo',
          packaging: 'ZIP',
          fileCount: 3,
          sizeBytes: 20480,
          sha256: 'ab'.repeat(32),
          downloadUrl: EXAMPLE_URL,
          filesUrl: null,
          createdAt: '2026-01-05T09:02:00.000Z',
          expiredAt: null,
        },
      ],
    },
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND'],
  })
  async list(@Param('id') id: string): Promise<z.infer<typeof artifactList>> {
    const { build, artifacts } = await this.artifactsOf(id);
    const buildId = publicBuildId(build.projectName, build.id);
    return { items: artifacts.map((artifact) => toArtifactView(buildId, artifact)) };
  }

  @Get(':artifact')
  @Describe({
    summary: 'Download an artifact',
    description: 'A zip as it was stored, also by `Range`; a folder with `?format=zip`.',
    params: ARTIFACT_PARAM,
    content: BINARY,
    headers: { Range: { description: 'One range of bytes, as `bytes=0-1023`; not for a folder.' } },
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND', 'ARTIFACT_NOT_FOUND', 'ARTIFACT_EXPIRED', 'RANGE_NOT_SATISFIABLE'],
  })
  async download(
    @Param('id') id: string,
    @Param('artifact') identifier: string,
    @Query({ schema: downloadQuery }) query: z.output<typeof downloadQuery>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const artifact = await this.one(id, identifier);
    const fileName = artifact.name.endsWith('.zip') ? artifact.name : `${artifact.name}.zip`;
    if (artifact.packaging === 'ZIP') {
      await this.send(request, reply, {
        key: artifact.location,
        fileName,
        ...(artifact.sha256 === undefined ? {} : { etag: artifact.sha256 }),
      });
      return;
    }
    if (query.format !== 'zip')
      throw refusalOf([
        {
          field: 'format',
          expected: 'zip, since this artifact is a folder (its files are under /files)',
          got: 'nothing',
        },
      ]);
    await reply
      .header('content-type', 'application/zip')
      .header('content-disposition', contentDisposition('attachment', fileName))
      .header('content-security-policy', SANDBOX)
      .header('cache-control', 'private, no-store')
      .send(zipFolder(this.blobs, `${artifact.location}/`));
  }

  @Get(':artifact/files')
  @Describe({
    summary: 'List files of a folder artifact',
    description: `In order of their paths, at most ${MAX_FILES_LISTED}.`,
    params: ARTIFACT_PARAM,
    answer: artifactFiles,
    example: {
      items: [{ path: 'dist/index.js', sizeBytes: 512, downloadUrl: `${EXAMPLE_URL}/files/dist/index.js` }],
      truncated: false,
    },
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND', 'ARTIFACT_NOT_FOUND', 'ARTIFACT_EXPIRED'],
  })
  async files(@Param('id') id: string, @Param('artifact') identifier: string): Promise<z.infer<typeof artifactFiles>> {
    const { location } = await this.folder(id, identifier);
    const base = artifactUrl(id, identifier === PRIMARY_ARTIFACT ? '' : identifier);
    const items: z.infer<typeof artifactFiles>['items'] = [];
    for await (const { key, sizeBytes } of this.blobs.list(`${location}/`)) {
      if (items.length === MAX_FILES_LISTED) return { items, truncated: true };
      const path = pathOfKey(key.slice(location.length + 1));
      items.push({
        path,
        sizeBytes,
        downloadUrl: `${base}/files/${path.split('/').map(encodeURIComponent).join('/')}`,
      });
    }
    return { items, truncated: false };
  }

  @Get(':artifact/files/*')
  @Describe({
    summary: 'Download one file of a folder artifact',
    description: 'Always as an attachment of unknown type, so that nothing that a build made runs in a browser.',
    params: { ...ARTIFACT_PARAM, path: { description: 'Path of the file.', example: 'dist/index.js' } },
    content: BINARY,
    headers: { Range: { description: 'One range of bytes, as `bytes=0-1023`.' } },
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND', 'ARTIFACT_NOT_FOUND', 'ARTIFACT_EXPIRED', 'RANGE_NOT_SATISFIABLE'],
  })
  async file(
    @Param('id') id: string,
    @Param('artifact') identifier: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { location } = await this.folder(id, identifier);
    const path = (request.params as Record<string, string>)['*'] ?? '';
    await this.send(request, reply, { key: keyOfArtifactFile(location, path), fileName: path });
  }

  private async send(
    request: FastifyRequest,
    reply: FastifyReply,
    blob: { key: string; fileName: string; etag?: string },
  ): Promise<void> {
    const found = await this.blobs.stat(blob.key);
    if (found === null) throw new Refusal('ARTIFACT_NOT_FOUND', 'the artifact has no such file');
    await sendBytes(request, reply, {
      ...found,
      ...(blob.etag === undefined ? {} : { etag: blob.etag }),
      fileName: blob.fileName,
      contentType: 'application/octet-stream',
      disposition: 'attachment',
      open: async (range) => (await this.blobs.get(blob.key, range)) as Readable,
    });
  }

  private async artifactsOf(id: string): Promise<{ build: Build; artifacts: Artifact[] }> {
    const build = await this.builds.get(parseBuildId(id).id);
    return { build, artifacts: await this.builds.artifacts(build.id) };
  }

  private async one(id: string, identifier: string): Promise<Artifact> {
    const { artifacts } = await this.artifactsOf(id);
    const wanted = identifier === PRIMARY_ARTIFACT ? '' : identifier;
    const found = artifacts.find((artifact) => artifact.identifier === wanted);
    if (found !== undefined) return kept(found);
    const have = artifacts.map((artifact) => artifact.identifier || PRIMARY_ARTIFACT).join(', ');
    throw new Refusal(
      'ARTIFACT_NOT_FOUND',
      `the build has ${have === '' ? 'no artifacts' : `these artifacts: ${have}`}`,
    );
  }

  private async folder(id: string, identifier: string): Promise<Artifact> {
    const artifact = await this.one(id, identifier);
    if (artifact.packaging === 'NONE') return artifact;
    throw new Refusal('ARTIFACT_NOT_FOUND', 'this artifact is a zip: download it as a whole');
  }
}

/** Errors: Refusal ARTIFACT_EXPIRED. */
function kept(artifact: Artifact): Artifact {
  if (artifact.expiredAt === undefined) return artifact;
  const expiredAt = artifact.expiredAt.toISOString();
  throw new Refusal('ARTIFACT_EXPIRED', `this artifact was kept until ${expiredAt}, as its project's retention says`, {
    details: { expiredAt },
  });
}
