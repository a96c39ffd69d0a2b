// Builds over HTTP: start, list, look, stop, retry, delete.
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import type { Build, BuildOverrides } from '#core/build.js';
import { parseBuildId } from '#core/ids.js';
import { BuildsStore } from '#store/builds.store.js';
import type { Page } from '#store/page.js';
import { BlobRemoval } from '../artifacts/blob-removal.js';
import { Describe } from '../docs/describe.js';
import { BUILD_PARAM, EXAMPLE_BUILD_VIEW } from '../docs/examples.js';
import { Asking, type Principal } from '../http/authenticate.js';
import { CreationId, Creates } from '../http/idempotency.interceptor.js';
import { withoutUndefined } from '../http/without-undefined.js';
import { toBuildView } from './build-view.js';
import { buildPage, buildView, listBuildsQuery, startBuildBody, type BuildView } from './build.dto.js';
import { StartBuild } from './start-build.js';

const START_ERRORS = [
  'INVALID_INPUT',
  'BUILDSPEC_INVALID',
  'SOURCE_NOT_ALLOWED',
  'PRIVILEGED_NOT_ALLOWED',
  'PROJECT_NOT_FOUND',
  'LIMIT_EXCEEDED',
] as const;

@ApiTags('Builds')
@Controller('v1')
export class BuildsController {
  constructor(
    private readonly builds: BuildsStore,
    private readonly starter: StartBuild,
    private readonly removal: BlobRemoval,
  ) {}

  @Post('projects/:name/builds')
  @Creates<BuildView>((build) => `/v1/builds/${build.id}`, { byId: true })
  @Describe({
    summary: 'Start a build',
    description:
      "A build of the project, with CodeBuild's overrides. It waits until a worker takes it; `waiting` says for what. Follow it at `/v1/builds/{id}/log`.",
    params: { name: { description: "The project's name.", example: 'demo' } },
    status: 201,
    answer: buildView,
    example: EXAMPLE_BUILD_VIEW,
    bodyExamples: {
      plain: { summary: 'As the project says', value: {} },
      overrides: {
        summary: 'Another branch, one more variable',
        value: {
          sourceVersion: 'main',
          environmentVariablesOverride: [{ name: 'LOG_LEVEL', value: 'debug' }],
          timeoutInMinutesOverride: 15,
        },
      },
    },
    bodyOptional: true,
    idempotent: true,
    errors: START_ERRORS,
  })
  async start(
    @Param('name') name: string,
    @Body({ schema: startBuildBody }) body: z.output<typeof startBuildBody>,
    @Asking() principal: Principal,
    @CreationId() newId: string | undefined,
  ): Promise<BuildView> {
    const overrides = withoutUndefined<BuildOverrides>(body);
    return this.show(await this.starter.start(name, overrides, principal.name, newId));
  }

  @Get('builds')
  @Describe({
    summary: 'List builds',
    description:
      'Newest first, by cursor; filtered by project, status and time. `waiting` is only filled for a single build.',
    answer: buildPage,
    example: { items: [{ ...EXAMPLE_BUILD_VIEW, waiting: null }], nextCursor: null },
    errors: ['INVALID_INPUT'],
  })
  async list(@Query({ schema: listBuildsQuery }) query: z.output<typeof listBuildsQuery>): Promise<Page<BuildView>> {
    const { project, status, from, to, cursor, limit } = query;
    const page = await this.builds.list({
      limit,
      ...(project === undefined ? {} : { projectName: project }),
      ...(status === undefined ? {} : { statuses: status }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    const artifacts = await this.builds.artifactsOf(page.items);
    const items = page.items.map((build) => toBuildView(build, null, artifacts.get(build.id) ?? []));
    return { items, nextCursor: page.nextCursor };
  }

  @Get('builds/:id')
  @Describe({
    summary: 'Get a build',
    description:
      'With its phases and attempts, and for a queued build what it waits for and its position. `phases`, `log`, `worker` and what else is told of one attempt is of the latest.',
    params: BUILD_PARAM,
    answer: buildView,
    example: EXAMPLE_BUILD_VIEW,
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND'],
  })
  async get(@Param('id') id: string): Promise<BuildView> {
    return this.show(await this.builds.get(parseBuildId(id).id));
  }

  @Post('builds/:id/stop')
  @HttpCode(200)
  @Describe({
    summary: 'Stop a build',
    description:
      'A queued build ends STOPPED at once. For a running one the wish is kept (`stopRequested`) and the worker ends it. A build that has ended is answered as it is.',
    params: BUILD_PARAM,
    answer: buildView,
    example: { ...EXAMPLE_BUILD_VIEW, stopRequested: true, waiting: null },
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND'],
  })
  async stop(@Param('id') id: string, @Asking() principal: Principal): Promise<BuildView> {
    return this.show(await this.builds.requestStop(parseBuildId(id).id, principal.name));
  }

  @Post('builds/:id/resume')
  @HttpCode(200)
  @Describe({
    summary: 'Resume a paused build',
    description:
      'Ends the pause that `codebuild-breakpoint` began, as `codebuild-resume` in the container does. The wish is kept (`debugSession.paused.resumeRequested`); the build goes on about two seconds later.',
    params: BUILD_PARAM,
    answer: buildView,
    example: {
      ...EXAMPLE_BUILD_VIEW,
      debugSession: {
        sessionEnabled: true,
        paused: { since: '2026-11-22T10:00:09.000Z', until: '2026-11-22T11:00:09.000Z', resumeRequested: true },
      },
    },
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND', 'BUILD_NOT_PAUSED'],
  })
  async resume(@Param('id') id: string, @Asking() principal: Principal): Promise<BuildView> {
    return this.show(await this.builds.requestResume(parseBuildId(id).id, principal.name));
  }

  @Post('builds/:id/retry')
  @Creates<BuildView>((build) => `/v1/builds/${build.id}`, { byId: true })
  @Describe({
    summary: 'Retry a build',
    description:
      'A new build with the settings that this one ran with, of the commit that it built where one was found.',
    params: BUILD_PARAM,
    status: 201,
    answer: buildView,
    example: { ...EXAMPLE_BUILD_VIEW, buildNumber: 2, retryOf: EXAMPLE_BUILD_VIEW.id },
    idempotent: true,
    errors: [...START_ERRORS, 'BUILD_NOT_FOUND'],
  })
  async retry(
    @Param('id') id: string,
    @Asking() principal: Principal,
    @CreationId() newId: string | undefined,
  ): Promise<BuildView> {
    return this.show(await this.starter.retry(parseBuildId(id).id, principal.name, newId));
  }

  @Delete('builds/:id')
  @HttpCode(204)
  @Describe({
    summary: 'Delete a build',
    description: 'With its log and artifacts. A build in progress must be stopped first.',
    params: BUILD_PARAM,
    status: 204,
    errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND', 'BUILD_IN_PROGRESS'],
  })
  async delete(@Param('id') id: string): Promise<void> {
    await this.removal.now(await this.builds.delete(parseBuildId(id).id));
  }

  private async show(build: Build): Promise<BuildView> {
    const queued = build.currentPhase === 'QUEUED' || build.currentPhase === 'SUBMITTED';
    if (queued) return toBuildView(build, await this.builds.waiting(build), []);
    return toBuildView(build, null, (await this.builds.artifactsOf([build])).get(build.id) ?? []);
  }
}
