// Projects over HTTP.
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import type { Page } from '#store/page.js';
import { ProjectsStore } from '#store/projects.store.js';
import { BlobRemoval } from '../artifacts/blob-removal.js';
import { checkBuildspecSetting } from '../buildspec/check-buildspec.js';
import { SETTINGS, type ApiSettings } from '../connections.js';
import { Describe } from '../docs/describe.js';
import { EXAMPLE_PROJECT, EXAMPLE_PROJECT_VIEW } from '../docs/examples.js';
import { refusalOf } from '../http/findings.js';
import { Creates } from '../http/idempotency.interceptor.js';
import { admit } from './admission.js';
import {
  createProjectBody,
  listProjectsQuery,
  projectPage,
  projectView,
  replaceProjectBody,
  toProjectSettings,
  toProjectView,
  type ProjectView,
} from './project.dto.js';

@ApiTags('Projects')
@Controller('v1/projects')
export class ProjectsController {
  constructor(
    private readonly projects: ProjectsStore,
    private readonly removal: BlobRemoval,
    @Inject(SETTINGS) private readonly settings: ApiSettings,
  ) {}

  @Post()
  @Creates<ProjectView>((project) => `/v1/projects/${encodeURIComponent(project.name)}`)
  @Describe({
    summary: 'Create a project',
    description:
      'A project says where the source is, which image it is built in, and what becomes of the results. Only `name` and `source` are needed.',
    status: 201,
    answer: projectView,
    example: EXAMPLE_PROJECT_VIEW,
    bodyExamples: {
      git: { summary: 'A public Git repository', value: EXAMPLE_PROJECT },
      inline: {
        summary: 'No source, an inline buildspec',
        value: {
          name: 'hello',
          source: {
            type: 'NO_SOURCE',
            buildspec: 'version: 0.2\nphases:\n  build:\n    commands:\n      - echo hello\n',
          },
          artifacts: { type: 'NO_ARTIFACTS' },
        },
      },
    },
    idempotent: true,
    errors: ['INVALID_INPUT', 'BUILDSPEC_INVALID', 'SOURCE_NOT_ALLOWED', 'PRIVILEGED_NOT_ALLOWED', 'PROJECT_EXISTS'],
  })
  async create(@Body({ schema: createProjectBody }) body: z.output<typeof createProjectBody>): Promise<ProjectView> {
    const settings = toProjectSettings(body, this.settings.docker.defaultImage);
    checkBuildspecSetting(settings.source);
    admit(body.name, settings, this.settings);
    return toProjectView(await this.projects.create(body.name, settings));
  }

  @Get()
  @Describe({
    summary: 'List projects',
    description: 'Pages by cursor; by name unless told otherwise.',
    answer: projectPage,
    example: { items: [EXAMPLE_PROJECT_VIEW], nextCursor: null },
    errors: ['INVALID_INPUT'],
  })
  async list(
    @Query({ schema: listProjectsQuery }) query: z.output<typeof listProjectsQuery>,
  ): Promise<Page<ProjectView>> {
    const { cursor, ...rest } = query;
    const page = await this.projects.list(cursor === undefined ? rest : { ...rest, cursor });
    return { items: page.items.map(toProjectView), nextCursor: page.nextCursor };
  }

  @Get(':name')
  @Describe({
    summary: 'Get a project',
    description: 'The whole document, defaults filled in.',
    params: { name: { description: "The project's name.", example: 'demo' } },
    answer: projectView,
    example: EXAMPLE_PROJECT_VIEW,
    errors: ['PROJECT_NOT_FOUND'],
  })
  async get(@Param('name') name: string): Promise<ProjectView> {
    return toProjectView(await this.projects.get(name));
  }

  @Put(':name')
  @Describe({
    summary: 'Replace a project',
    description: 'Replaces the whole document. Builds that exist keep the settings that they were started with.',
    params: { name: { description: "The project's name.", example: 'demo' } },
    answer: projectView,
    example: EXAMPLE_PROJECT_VIEW,
    bodyExamples: {
      git: { summary: 'The same project with a longer timeout', value: { ...EXAMPLE_PROJECT, timeoutInMinutes: 90 } },
    },
    errors: ['INVALID_INPUT', 'BUILDSPEC_INVALID', 'SOURCE_NOT_ALLOWED', 'PRIVILEGED_NOT_ALLOWED', 'PROJECT_NOT_FOUND'],
  })
  async replace(
    @Param('name') name: string,
    @Body({ schema: replaceProjectBody }) body: z.output<typeof replaceProjectBody>,
  ): Promise<ProjectView> {
    if (body.name !== undefined && body.name !== name)
      throw refusalOf([{ field: 'name', expected: `"${name}", as in the URL`, got: `"${body.name}"` }]);
    const settings = toProjectSettings(body, this.settings.docker.defaultImage);
    checkBuildspecSetting(settings.source);
    admit(name, settings, this.settings);
    return toProjectView(await this.projects.update(name, settings));
  }

  @Delete(':name')
  @HttpCode(204)
  @Describe({
    summary: 'Delete a project',
    description:
      'Its builds stay readable by id, but cannot be retried; its cache goes. Deleting a project that is not there is fine.',
    params: { name: { description: "The project's name.", example: 'demo' } },
    status: 204,
    errors: [],
  })
  async delete(@Param('name') name: string): Promise<void> {
    await this.removal.now((await this.projects.delete(name)) ?? []);
  }
}
