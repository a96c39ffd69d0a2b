// Starts a build: settings laid together and admitted, written in one transaction, and only then put into the queue.
import { Inject, Injectable } from '@nestjs/common';
import { applyOverrides } from '#core/apply-overrides.js';
import type { Build, BuildOverrides } from '#core/build.js';
import type { CacheScope } from '#core/cache.js';
import { fleetOf, requiresOf } from '#core/fleet.js';
import { asBuildId, publicBuildId, type BuildId } from '#core/ids.js';
import type { Project, ProjectSettings } from '#core/project.js';
import type { Logger } from '#observe/logger.js';
import { BuildQueue } from '#queue/producer.js';
import { BuildsStore } from '#store/builds.store.js';
import { ProjectsStore } from '#store/projects.store.js';
import { checkBuildspecSetting } from '../buildspec/check-buildspec.js';
import { LOGGER, SETTINGS, type ApiSettings } from '../connections.js';
import { refusalOf, shown } from '../http/findings.js';
import { admit } from '../projects/admission.js';
import { sourceMistakes } from '../projects/source-checks.js';

@Injectable()
export class StartBuild {
  constructor(
    private readonly projects: ProjectsStore,
    private readonly builds: BuildsStore,
    private readonly queue: BuildQueue,
    @Inject(SETTINGS) private readonly settings: ApiSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * A build of a project as it is now, with a request's overrides. In: `newId`, where the same request may come again.
   * Errors: Refusal PROJECT_NOT_FOUND, INVALID_INPUT, BUILDSPEC_INVALID (an inline one is read at once), SOURCE_NOT_ALLOWED,
   * PRIVILEGED_NOT_ALLOWED, LIMIT_EXCEEDED.
   */
  async start(projectName: string, overrides: BuildOverrides, initiator: string, newId?: string): Promise<Build> {
    const project = await this.projects.get(projectName);
    const settings = applyOverrides(project.settings, overrides);
    return this.create({ project, settings, overrides, initiator, ...idOf(newId) });
  }

  /**
   * The same build again (codebuild-contract A5, RetryBuild): the settings that it ran with, not the project's present ones, and
   * the commit that it built where one was found, so that a branch that moved on does not change what is retried.
   * Errors: as `start`; Refusal BUILD_NOT_FOUND; PROJECT_NOT_FOUND when the project was deleted.
   */
  async retry(id: BuildId, initiator: string, newId?: string): Promise<Build> {
    const build = await this.builds.get(id);
    const { overrides } = await this.builds.overridesOf(id);
    const project = await this.projects.get(build.projectName);
    const version = build.resolvedSourceVersion ?? build.sourceVersion;
    const same = version === null ? {} : { sourceVersion: version };
    return this.create({
      project,
      settings: { ...build.settings, ...same },
      overrides: { ...overrides, ...same },
      initiator,
      retryOf: id,
      cacheScope: build.cacheScope,
      ...idOf(newId),
    });
  }

  private async create(request: {
    project: Project;
    settings: ProjectSettings;
    overrides: BuildOverrides;
    initiator: string;
    retryOf?: BuildId;
    cacheScope?: CacheScope;
    id?: BuildId;
  }): Promise<Build> {
    const { project, settings } = request;
    checkSource(settings);
    admit(project.name, settings, this.settings);
    const id = await this.builds.write({ ...request, maxWaiting: this.settings.access.queueMaxWaiting });
    const [build] = await Promise.all([
      this.builds.get(id),
      this.enqueue(id, fleetOf(requiresOf(settings.environment))),
    ]);
    this.logger.info('build created', {
      buildId: id,
      build: publicBuildId(build.projectName, id),
      initiator: build.initiator,
    });
    return build;
  }

  /** The row is written, so the build exists: without Redis the sweep will find it. */
  private async enqueue(buildId: BuildId, fleet: string): Promise<void> {
    try {
      await this.queue.add(buildId, fleet);
    } catch (error) {
      this.logger.warn('build waits for the sweep, since the queue did not take it', { buildId, error });
    }
  }
}

/**
 * Overrides may have put a type and a location together that do not fit, so the whole is looked at again.
 * Errors: Refusal INVALID_INPUT, BUILDSPEC_INVALID.
 */
export function checkSource(settings: ProjectSettings, reading: 'build' | 'batch' = 'build'): void {
  const { source } = settings;
  const [first] = sourceMistakes(source);
  if (first !== undefined)
    throw refusalOf([
      { field: `source.${first.field}`, expected: first.expected, got: shown(first.field, source[first.field]) },
    ]);
  checkBuildspecSetting(source, reading);
}

function idOf(newId: string | undefined): { id?: BuildId } {
  return newId === undefined ? {} : { id: asBuildId(newId) };
}
