// What is cached for a project over HTTP: listed, and forgotten as a whole (CodeBuild's InvalidateProjectCache) or entry by entry.
import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { TRUSTED_SCOPE } from '#core/cache.js';
import { CacheEntriesStore, type CacheEntry } from '#store/cache-entries.store.js';
import type { Page } from '#store/page.js';
import { ProjectsStore } from '#store/projects.store.js';
import { Describe } from '../docs/describe.js';
import { refusalOf, shown } from '../http/findings.js';
import { pageOf, pageQuery } from '../http/page.dto.js';
import { timestamp } from '../projects/project.dto.js';

const cacheEntryView = z
  .object({
    id: z.string(),
    key: z.string().meta({ description: 'Empty: the entry of builds whose buildspec names no key.' }),
    scope: z.string().nullable().meta({
      description: 'Null: saved by a trusted build, read by all. Else the scope whose builds alone read it.',
    }),
    shared: z.boolean().meta({ description: 'Found by every project of the same cacheNamespace and location.' }),
    version: z.string().meta({ description: 'Hash of the list of paths; an entry of another list does not fit.' }),
    sizeBytes: z.int(),
    hits: z.int().meta({ description: 'How often it was restored.' }),
    created: timestamp,
    lastUsed: timestamp,
  })
  .meta({ id: 'CacheEntry' });
const cacheEntryPage = pageOf('CacheEntryPage', cacheEntryView);
const purgeView = z.object({ entries: z.int(), sizeBytes: z.int() }).meta({ id: 'CachePurge' });
const listCacheQuery = z.strictObject(pageQuery);

const PROJECT_PARAM = { name: { description: "The project's name.", example: 'demo' } };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

@ApiTags('Projects')
@Controller('v1/projects/:name/cache')
export class CachesController {
  constructor(
    private readonly projects: ProjectsStore,
    private readonly entries: CacheEntriesStore,
  ) {}

  @Get()
  @Describe({
    summary: "List a project's cache",
    description: 'What its builds have saved and the quotas have left, newest first.',
    params: PROJECT_PARAM,
    answer: cacheEntryPage,
    example: {
      items: [
        {
          id: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
          key: 'npm-3f1a',
          scope: null,
          shared: false,
          version: 'ab'.repeat(32),
          sizeBytes: 104857600,
          hits: 12,
          created: '2026-01-05T09:02:00.000Z',
          lastUsed: '2026-01-06T11:30:00.000Z',
        },
      ],
      nextCursor: null,
    },
    errors: ['INVALID_INPUT', 'PROJECT_NOT_FOUND'],
  })
  async list(
    @Param('name') name: string,
    @Query({ schema: listCacheQuery }) { limit, cursor }: z.output<typeof listCacheQuery>,
  ): Promise<Page<z.infer<typeof cacheEntryView>>> {
    const { id } = await this.projects.get(name);
    const page = await this.entries.list(id, cursor === undefined ? { limit } : { limit, cursor });
    return { items: page.items.map(toView), nextCursor: page.nextCursor };
  }

  @Delete()
  @Describe({
    summary: "Purge a project's cache",
    description:
      "CodeBuild's InvalidateProjectCache: the next build starts without. What the project shares by a cacheNamespace goes for all who share it. Builds of the project that run now save nothing; those that are restoring go on.",
    params: PROJECT_PARAM,
    answer: purgeView,
    example: { entries: 3, sizeBytes: 314572800 },
    errors: ['PROJECT_NOT_FOUND'],
  })
  async purge(@Param('name') name: string): Promise<z.infer<typeof purgeView>> {
    const { id, settings } = await this.projects.get(name);
    const { entries, bytes } = await this.entries.purge(id, settings.cache);
    return { entries, sizeBytes: bytes };
  }

  @Delete(':entry')
  @HttpCode(204)
  @Describe({
    summary: "Delete one entry of a project's cache",
    description: 'So that a build may save under its key again. Deleting one that is not there is fine.',
    params: {
      ...PROJECT_PARAM,
      entry: { description: 'Its id, as listed.', example: '7c9e6679-7425-40de-944b-e07fc1f90ae7' },
    },
    status: 204,
    errors: ['INVALID_INPUT', 'PROJECT_NOT_FOUND'],
  })
  async delete(@Param('name') name: string, @Param('entry') entry: string): Promise<void> {
    if (!UUID.test(entry))
      throw refusalOf([{ field: 'entry', expected: 'the id of an entry', got: shown('entry', entry) }]);
    const { id } = await this.projects.get(name);
    await this.entries.delete(id, entry);
  }
}

function toView(entry: CacheEntry): z.infer<typeof cacheEntryView> {
  const { id, key, scope, space, projectId, version, sizeBytes, hits, createdAt, lastUsedAt } = entry;
  return {
    ...{ id, key, version, sizeBytes, hits },
    scope: scope === TRUSTED_SCOPE ? null : scope,
    shared: space !== projectId,
    created: createdAt.toISOString(),
    lastUsed: lastUsedAt.toISOString(),
  };
}
