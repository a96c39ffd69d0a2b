// Batches over HTTP: start, list, look, stop, retry, delete.
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { parseBatchId } from '#core/ids.js';
import { BatchesStore } from '#store/batch/batches.store.js';
import type { Page } from '#store/page.js';
import { BlobRemoval } from '../artifacts/blob-removal.js';
import { Describe } from '../docs/describe.js';
import { BATCH_PARAM, EXAMPLE_BATCH_BUILDSPEC, EXAMPLE_BATCH_VIEW } from '../docs/examples.js';
import { Asking, type Principal } from '../http/authenticate.js';
import { CreationId, Creates } from '../http/idempotency.interceptor.js';
import { toBatchInList, toBatchView } from './batch-view.js';
import {
  batchPage,
  batchView,
  listBatchesQuery,
  retryBatchBody,
  startBatchBody,
  toBatchOverrides,
  type BatchInList,
  type BatchView,
} from './batch.dto.js';
import { StartBatch } from './start-batch.js';

const { buildGroups: _, ...EXAMPLE_IN_LIST } = EXAMPLE_BATCH_VIEW;

@ApiTags('Batches')
@Controller('v1')
export class BatchesController {
  constructor(
    private readonly batches: BatchesStore,
    private readonly starter: StartBatch,
    private readonly removal: BlobRemoval,
  ) {}

  @Post('projects/:name/batches')
  @Creates<BatchView>((batch) => `/v1/batches/${batch.id}`, { byId: true })
  @Describe({
    summary: 'Start a batch',
    description:
      "A worker reads the buildspec's `batch` and each of its tasks becomes a build, as soon as those that it depends on have ended well. All are of one commit.",
    params: { name: { description: "The project's name.", example: 'demo' } },
    status: 201,
    answer: batchView,
    example: EXAMPLE_BATCH_VIEW,
    bodyExamples: {
      graph: {
        summary: 'A graph of two tasks, inline',
        value: { buildspecOverride: EXAMPLE_BATCH_BUILDSPEC, buildBatchConfigOverride: { timeoutInMins: 60 } },
      },
      plain: { summary: 'As the project says', value: {} },
    },
    bodyOptional: true,
    idempotent: true,
    errors: [
      'INVALID_INPUT',
      'BUILDSPEC_INVALID',
      'SOURCE_NOT_ALLOWED',
      'PRIVILEGED_NOT_ALLOWED',
      'PROJECT_NOT_FOUND',
      'LIMIT_EXCEEDED',
    ],
  })
  async start(
    @Param('name') name: string,
    @Body({ schema: startBatchBody }) body: z.output<typeof startBatchBody>,
    @Asking() principal: Principal,
    @CreationId() newId: string | undefined,
  ): Promise<BatchView> {
    return toBatchView(await this.starter.start(name, toBatchOverrides(body), principal.name, newId));
  }

  @Get('batches')
  @Describe({
    summary: 'List batches',
    description: 'Newest first, by cursor, without their groups; `counts` says how far each is.',
    answer: batchPage,
    example: { items: [EXAMPLE_IN_LIST], nextCursor: null },
    errors: ['INVALID_INPUT'],
  })
  async list(
    @Query({ schema: listBatchesQuery }) query: z.output<typeof listBatchesQuery>,
  ): Promise<Page<BatchInList>> {
    const { project, status, cursor, limit } = query;
    const page = await this.batches.list({
      limit,
      ...(project === undefined ? {} : { projectName: project }),
      ...(status === undefined ? {} : { statuses: status }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    return { items: page.items.map(toBatchInList), nextCursor: page.nextCursor };
  }

  @Get('batches/:id')
  @Describe({
    summary: 'Get a batch',
    description:
      'With its groups: each task with what it depends on, its present build and its earlier ones. The first group is the build that reads the buildspec; its log tells what is wrong with it.',
    params: BATCH_PARAM,
    answer: batchView,
    example: EXAMPLE_BATCH_VIEW,
    errors: ['INVALID_INPUT', 'BATCH_NOT_FOUND'],
  })
  async get(@Param('id') id: string): Promise<BatchView> {
    return toBatchView(await this.batches.get(parseBatchId(id).id));
  }

  @Post('batches/:id/stop')
  @HttpCode(200)
  @Describe({
    summary: 'Stop a batch',
    description:
      'What has not begun never does, what waits ends STOPPED at once, and running builds are asked to stop. A batch that has ended is answered as it is.',
    params: BATCH_PARAM,
    answer: batchView,
    example: { ...EXAMPLE_BATCH_VIEW, stopRequested: true, ending: 'STOP' },
    errors: ['INVALID_INPUT', 'BATCH_NOT_FOUND'],
  })
  async stop(@Param('id') id: string, @Asking() principal: Principal): Promise<BatchView> {
    return toBatchView(await this.batches.stop(parseBatchId(id).id, principal.name));
  }

  @Post('batches/:id/retry')
  @HttpCode(200)
  @Describe({
    summary: 'Retry a batch',
    description:
      'The same batch goes on, of the same commit: every task again, or those that did not succeed. Their earlier builds stay in `priorBuildSummaryList`. Not for a batch that succeeded or is in progress.',
    params: BATCH_PARAM,
    answer: batchView,
    example: EXAMPLE_BATCH_VIEW,
    bodyExamples: { failed: { summary: 'Only what failed', value: { retryType: 'RETRY_FAILED_BUILDS' } } },
    bodyOptional: true,
    errors: ['INVALID_INPUT', 'BATCH_NOT_FOUND', 'BATCH_IN_PROGRESS', 'ILLEGAL_TRANSITION', 'PROJECT_NOT_FOUND'],
  })
  async retry(
    @Param('id') id: string,
    @Body({ schema: retryBatchBody }) body: z.output<typeof retryBatchBody>,
    @Asking() principal: Principal,
  ): Promise<BatchView> {
    return toBatchView(await this.starter.retry(parseBatchId(id).id, body.retryType, principal.name));
  }

  @Delete('batches/:id')
  @HttpCode(204)
  @Describe({
    summary: 'Delete a batch',
    description: 'With all its builds, their logs and artifacts. A batch in progress must be stopped first.',
    params: BATCH_PARAM,
    status: 204,
    errors: ['INVALID_INPUT', 'BATCH_NOT_FOUND', 'BATCH_IN_PROGRESS'],
  })
  async delete(@Param('id') id: string): Promise<void> {
    await this.removal.now((await this.batches.delete(parseBatchId(id).id)).doomed);
  }
}
