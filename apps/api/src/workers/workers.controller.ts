// Workers over HTTP: who runs builds, and how busy they are.
import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { WorkersStore } from '#store/workers.store.js';
import { Describe } from '../docs/describe.js';
import { timestamp } from '../projects/project.dto.js';

const workerView = z
  .object({
    id: z.string(),
    hostname: z.string(),
    version: z.string(),
    slots: z.int().meta({ description: 'Builds that it runs at once.' }),
    fleet: z.string().meta({ description: 'Set aside for builds that ask for it; empty: the common pool.' }),
    labels: z.array(z.string()).meta({ description: 'What builds may ask for.' }),
    running: z.int(),
    state: z.enum(['ACTIVE', 'DRAINING', 'DEGRADED']),
    message: z.string().meta({ description: 'Why it is not ACTIVE.' }),
    startedAt: timestamp,
    seenAt: timestamp,
  })
  .meta({ id: 'Worker' });
const workerList = z.object({ items: z.array(workerView) }).meta({ id: 'WorkerList' });

@ApiTags('Workers and queue')
@Controller('v1/workers')
export class WorkersController {
  constructor(private readonly workers: WorkersStore) {}

  @Get()
  @Describe({
    summary: 'List workers',
    description: 'Workers that were seen in the last ten minutes.',
    answer: workerList,
    example: {
      items: [
        {
          id: 'build-host-1-5f0c2a9e',
          hostname: 'build-host-1',
          version: '0.1.0',
          slots: 2,
          fleet: '',
          labels: ['arch=arm64', 'gpu'],
          running: 1,
          state: 'ACTIVE',
          message: '',
          startedAt: '2026-01-05T08:00:00.000Z',
          seenAt: '2026-01-05T09:01:00.000Z',
        },
      ],
    },
    errors: [],
  })
  async list(): Promise<z.infer<typeof workerList>> {
    const workers = await this.workers.list();
    return {
      items: workers.map((worker) => ({
        ...worker,
        id: String(worker.id),
        startedAt: worker.startedAt.toISOString(),
        seenAt: worker.seenAt.toISOString(),
      })),
    };
  }
}
