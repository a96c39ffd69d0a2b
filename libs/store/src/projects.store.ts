// Projects: a name and the settings that its builds copy.
import { randomUUID } from 'node:crypto';
import { cachePrefix } from '#core/blob-places.js';
import { Refusal } from '#core/errors.js';
import { asProjectId } from '#core/ids.js';
import type { Project, ProjectSettings } from '#core/project.js';
import type { Database } from './database.js';
import { isMissingRow, isUniqueViolation } from './database-errors.js';
import type { Prisma, Project as ProjectModel } from './generated/client.js';
import { doom } from './doomed-blobs.store.js';
import { cursorTime, type Page, readCursor, toPage } from './page.js';
import { storedJson } from './stored-json.js';

export type ProjectSort = 'NAME' | 'CREATED_TIME' | 'LAST_MODIFIED_TIME';

const SORT_COLUMN = { NAME: 'name', CREATED_TIME: 'createdAt', LAST_MODIFIED_TIME: 'updatedAt' } as const;

export class ProjectsStore {
  constructor(private readonly db: Database) {}

  /** Errors: Refusal PROJECT_EXISTS. */
  async create(name: string, settings: ProjectSettings): Promise<Project> {
    const data = { id: randomUUID(), name, ...settingsColumns(settings) };
    return toProject(
      await this.db.models((prisma) =>
        prisma.project.create({ data }).catch((error: unknown) => {
          if (!isUniqueViolation(error)) throw error;
          throw new Refusal('PROJECT_EXISTS', `there is a project named ${name} already`, { details: { name } });
        }),
      ),
    );
  }

  /** Errors: Refusal PROJECT_NOT_FOUND. */
  async get(name: string): Promise<Project> {
    const row = await this.db.models((prisma) => prisma.project.findUnique({ where: { name } }));
    if (row === null) throw projectNotFound(name);
    return toProject(row);
  }

  /** Replaces the settings; builds that exist keep theirs. Errors: Refusal PROJECT_NOT_FOUND. */
  async update(name: string, settings: ProjectSettings): Promise<Project> {
    return toProject(
      await this.db.models((prisma) =>
        prisma.project
          .update({ where: { name }, data: { ...settingsColumns(settings), updatedAt: new Date() } })
          .catch((error: unknown) => {
            throw isMissingRow(error) ? projectNotFound(name) : error;
          }),
      ),
    );
  }

  /**
   * Its builds stay readable by id, and those that wait still run; its cache entries go.
   * Out: null when there was none; else what of it is doomed in the blob store, for the caller to delete and to tell DoomedBlobsStore.
   */
  async delete(name: string): Promise<string[] | null> {
    return this.db.transaction(async (tx) => {
      const { rows } = await tx.query<{ id: string }>('DELETE FROM project WHERE name = $1 RETURNING id', [name]);
      const row = rows[0];
      if (row === undefined) return null;
      const doomed = [cachePrefix(row.id)];
      await doom(tx, doomed, 0);
      return doomed;
    });
  }

  /** A page, in the order asked for (by name among equals). Errors: Refusal INVALID_INPUT (cursor). */
  async list(request: {
    cursor?: string;
    limit: number;
    sortBy: ProjectSort;
    sortOrder: 'ASCENDING' | 'DESCENDING';
  }): Promise<Page<Project>> {
    const column = SORT_COLUMN[request.sortBy];
    const order = request.sortOrder === 'ASCENDING' ? 'asc' : 'desc';
    const after = readCursor(request.cursor, 2);
    const rows = await this.db.models((prisma) =>
      prisma.project.findMany({
        ...(after === null ? {} : { where: behind(after, column, order, request.cursor ?? '') }),
        orderBy: column === 'name' ? [{ name: order }] : [{ [column]: order }, { name: order }],
        take: request.limit + 1,
      }),
    );
    return toPage(rows, request.limit, toProject, (row) => [
      column === 'name' ? row.name : row[column].toISOString(),
      row.name,
    ]);
  }
}

/** What comes after the cursor's [sort value, name]. */
function behind(
  [value = '', name = '']: string[],
  column: 'name' | 'createdAt' | 'updatedAt',
  order: 'asc' | 'desc',
  cursor: string,
): Prisma.ProjectWhereInput {
  const beyond = order === 'asc' ? 'gt' : 'lt';
  if (column === 'name') return { name: { [beyond]: name } };
  const time = cursorTime(value, cursor);
  return { OR: [{ [column]: { [beyond]: time } }, { [column]: time, name: { [beyond]: name } }] };
}

export function projectNotFound(name: string): Refusal {
  return new Refusal('PROJECT_NOT_FOUND', `there is no project named ${name}`, { details: { name } });
}

function settingsColumns(settings: ProjectSettings): {
  settings: Prisma.InputJsonValue;
  concurrentBuildLimit: number | null;
} {
  return {
    settings: JSON.parse(storedJson(settings)) as Prisma.InputJsonObject,
    concurrentBuildLimit: settings.concurrentBuildLimit ?? null,
  };
}

function toProject(row: ProjectModel): Project {
  return {
    id: asProjectId(row.id),
    name: row.name,
    settings: row.settings as unknown as ProjectSettings,
    created: row.createdAt,
    lastModified: row.updatedAt,
  };
}
