// Starts a batch: settings laid together and admitted as for a build, written in one transaction, and only then put into the queue.
import { Inject, Injectable } from '@nestjs/common';
import { applyOverrides } from '#core/apply-overrides.js';
import type { BatchOverrides, BatchRetryType, BuildBatchInFull } from '#core/batch.js';
import { fleetOf, requiresOf } from '#core/fleet.js';
import { asBatchId, publicBuildId, type BatchId } from '#core/ids.js';
import type { Logger } from '#observe/logger.js';
import { BuildQueue } from '#queue/producer.js';
import { BatchesStore } from '#store/batch/batches.store.js';
import { ProjectsStore } from '#store/projects.store.js';
import { checkSource } from '../builds/start-build.js';
import { LOGGER, SETTINGS, type ApiSettings } from '../connections.js';
import { admit } from '../projects/admission.js';

@Injectable()
export class StartBatch {
  constructor(
    private readonly projects: ProjectsStore,
    private readonly batches: BatchesStore,
    private readonly queue: BuildQueue,
    @Inject(SETTINGS) private readonly settings: ApiSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * A batch of a project as it is now, with a request's overrides. In: `newId`, where the same request may come again.
   * Errors: Refusal PROJECT_NOT_FOUND, INVALID_INPUT, BUILDSPEC_INVALID (an inline one is read at once), SOURCE_NOT_ALLOWED,
   * PRIVILEGED_NOT_ALLOWED, LIMIT_EXCEEDED.
   */
  async start(
    projectName: string,
    overrides: BatchOverrides,
    initiator: string,
    newId?: string,
  ): Promise<BuildBatchInFull> {
    const project = await this.projects.get(projectName);
    const settings = applyOverrides(project.settings, overrides);
    checkSource(settings, 'batch');
    admit(project.name, settings, this.settings);
    const id = await this.batches.write({
      ...(newId === undefined ? {} : { id: asBatchId(newId) }),
      project,
      settings,
      config: overrides.buildBatchConfigOverride ?? settings.buildBatchConfig ?? {},
      overrides,
      initiator,
      maxWaiting: this.settings.access.queueMaxWaiting,
    });
    const batch = await this.show(id);
    this.logger.info('batch created', { batch: publicBuildId(batch.projectName, id), initiator });
    return batch;
  }

  /** Errors: as BatchesStore.retry. */
  async retry(id: BatchId, type: BatchRetryType, initiator: string): Promise<BuildBatchInFull> {
    await this.batches.retry(id, type, initiator);
    return this.show(id);
  }

  /** Its builds are written and workers were notified with them; the queue wakes one that missed it. Without Redis the sweep does. */
  private async show(id: BatchId): Promise<BuildBatchInFull> {
    const batch = await this.batches.get(id);
    try {
      await this.queue.wake(fleetOf(requiresOf(batch.settings.environment)));
    } catch (error) {
      this.logger.warn('a batch waits for the sweep, since the queue took no wake-up', { batch: id, error });
    }
    return batch;
  }
}
