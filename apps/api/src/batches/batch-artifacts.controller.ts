// What a batch left behind: the artifacts of its tasks in one list and, where the project combines them, in one zip.
import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Blobs } from '#blobs/blobs.js';
import { Refusal } from '#core/errors.js';
import { parseBatchId, publicBuildId } from '#core/ids.js';
import { BatchesStore } from '#store/batch/batches.store.js';
import { artifactView, toArtifactView } from '../artifacts/artifact.dto.js';
import { Describe } from '../docs/describe.js';
import { BATCH_PARAM, EXAMPLE_BUILD_ID } from '../docs/examples.js';
import { contentDisposition } from '../http/content-disposition.js';
import { SANDBOX } from '../http/send-bytes.js';
import { combinedZip } from './combined-zip.js';

const batchArtifacts = z
  .object({
    items: z.array(artifactView.extend({ task: z.string(), build: z.string() })),
    combinedUrl: z.string().nullable().meta({ description: 'All of them as one zip; null without combineArtifacts.' }),
  })
  .meta({ id: 'BuildBatchArtifacts' });

@ApiTags('Artifacts')
@Controller('v1/batches/:id/artifacts')
export class BatchArtifactsController {
  constructor(
    private readonly batches: BatchesStore,
    private readonly blobs: Blobs,
  ) {}

  @Get()
  @Describe({
    summary: 'List artifacts of a batch',
    description: 'Of the present build of each task, in their order.',
    params: BATCH_PARAM,
    answer: batchArtifacts,
    example: {
      items: [
        {
          task: 'test',
          build: EXAMPLE_BUILD_ID,
          identifier: '',
          name: 'demo',
          packaging: 'ZIP',
          fileCount: 3,
          sizeBytes: 20480,
          sha256: 'ab'.repeat(32),
          downloadUrl: `/v1/builds/${EXAMPLE_BUILD_ID}/artifacts/primary`,
          filesUrl: null,
          createdAt: '2026-01-05T09:02:00.000Z',
          expiredAt: null,
        },
      ],
      combinedUrl: null,
    },
    errors: ['INVALID_INPUT', 'BATCH_NOT_FOUND'],
  })
  async list(@Param('id') id: string): Promise<z.infer<typeof batchArtifacts>> {
    const batch = await this.batches.get(parseBatchId(id).id);
    const items = (await this.batches.artifacts(batch.id)).map(({ task, buildId, artifact }) => {
      const build = publicBuildId(batch.projectName, buildId);
      return { task, build, ...toArtifactView(build, artifact) };
    });
    const combined = batch.config.combineArtifacts === true && items.length > 0;
    const own = publicBuildId(batch.projectName, batch.id);
    return { items, combinedUrl: combined ? `/v1/batches/${own}/artifacts/combined` : null };
  }

  @Get('combined')
  @Describe({
    summary: 'Download all artifacts of a batch',
    description:
      'One zip with a folder for each task, where buildBatchConfig says combineArtifacts. What retention has taken is left out.',
    params: BATCH_PARAM,
    content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } },
    errors: ['INVALID_INPUT', 'BATCH_NOT_FOUND', 'ARTIFACT_NOT_FOUND'],
  })
  async combined(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    const batch = await this.batches.get(parseBatchId(id).id);
    const artifacts = await this.batches.artifacts(batch.id);
    const kept = artifacts.filter(({ artifact }) => artifact.expiredAt === undefined);
    if (batch.config.combineArtifacts !== true || kept.length === 0)
      throw new Refusal('ARTIFACT_NOT_FOUND', 'the batch has no combined artifacts');
    await reply
      .header('content-type', 'application/zip')
      .header('content-disposition', contentDisposition('attachment', `${batch.projectName}-${batch.number}.zip`))
      .header('content-security-policy', SANDBOX)
      .header('cache-control', 'private, no-store')
      .send(combinedZip(this.blobs, kept));
  }
}
