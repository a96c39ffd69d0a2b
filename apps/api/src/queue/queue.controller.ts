// The queue over HTTP: how much runs and waits, and for each waiting build what it waits for.
import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { publicBuildId } from '#core/ids.js';
import { BuildsStore } from '#store/builds.store.js';
import { QueueCountsStore } from '#store/queue-counts.store.js';
import { waitingView } from '../builds/build.dto.js';
import { Describe } from '../docs/describe.js';
import { EXAMPLE_BUILD_ID } from '../docs/examples.js';
import { wholeNumber } from '../http/page.dto.js';
import { timestamp } from '../projects/project.dto.js';

const MAX_SHOWN = 100;
const queueQuery = z.strictObject({
  limit: wholeNumber(0, MAX_SHOWN)
    .default(20)
    .meta({ description: `Waiting builds to show, oldest first; up to ${MAX_SHOWN}.` }),
});
const waitingBuild = z
  .object({
    id: z.string(),
    projectName: z.string(),
    buildNumber: z.int(),
    priority: z.int(),
    startTime: timestamp,
    waiting: waitingView,
  })
  .meta({ id: 'WaitingBuild' });
const queueView = z
  .object({
    waiting: z.int(),
    running: z.int(),
    oldestWaitingSeconds: z.number(),
    builds: z.array(waitingBuild).meta({ description: 'By position; 1 starts next.' }),
  })
  .meta({ id: 'Queue' });

@ApiTags('Workers and queue')
@Controller('v1/queue')
export class QueueController {
  constructor(
    private readonly builds: BuildsStore,
    private readonly counts: QueueCountsStore,
  ) {}

  @Get()
  @Describe({
    summary: 'Look at the queue',
    description: 'How many builds run and wait, and why the waiting ones do.',
    answer: queueView,
    example: {
      waiting: 1,
      running: 2,
      oldestWaitingSeconds: 4.2,
      builds: [
        {
          id: EXAMPLE_BUILD_ID,
          projectName: 'demo',
          buildNumber: 1,
          priority: 0,
          startTime: '2026-01-05T09:01:00.000Z',
          waiting: { reason: 'WORKERS_BUSY', message: 'All 2 slots of 1 worker are taken.', position: 1 },
        },
      ],
    },
    errors: ['INVALID_INPUT'],
  })
  async look(@Query({ schema: queueQuery }) query: z.output<typeof queueQuery>): Promise<z.infer<typeof queueView>> {
    const counts = await this.counts.read();
    const builds = [];
    for (const id of query.limit === 0 ? [] : await this.builds.queuedIds(query.limit)) {
      const build = await this.builds.get(id);
      const waiting = await this.builds.waiting(build);
      if (waiting === null) continue; // it started meanwhile
      builds.push({
        id: publicBuildId(build.projectName, build.id),
        projectName: build.projectName,
        buildNumber: build.number,
        priority: build.settings.priority,
        startTime: build.queuedAt.toISOString(),
        waiting,
      });
    }
    builds.sort((a, b) => a.waiting.position - b.waiting.position);
    const { waiting, running, oldestWaitingSeconds } = counts;
    return { waiting, running, oldestWaitingSeconds, builds };
  }
}
