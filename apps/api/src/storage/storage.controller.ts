// What Kilnyard takes on its disks over HTTP, against each budget; measured by the cleanup, so as old as its last round.
import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { StorageUseStore } from '#store/storage-use.store.js';
import { Describe } from '../docs/describe.js';
import { timestamp } from '../projects/project.dto.js';

const storageUseView = z
  .object({
    part: z.string().meta({
      description:
        'builds, logs, archive (logs that were moved out of the database), artifacts, caches, uploads; of a host: mirrors, images, temp.',
    }),
    host: z.string().meta({ description: 'Id of the worker host; empty for what all hosts share.' }),
    items: z.int().meta({ description: 'Of builds an estimate; of logs the partitions, one a day.' }),
    usedBytes: z.int(),
    budgetBytes: z.int().nullable().meta({ description: 'Null: no budget in bytes.' }),
    measuredAt: timestamp,
  })
  .meta({ id: 'StorageUse' });
const storageView = z.object({ items: z.array(storageUseView) }).meta({ id: 'Storage' });

@ApiTags('Service')
@Controller('v1/storage')
export class StorageController {
  constructor(private readonly storage: StorageUseStore) {}

  @Get()
  @Describe({
    summary: 'Look at the storage',
    description: 'What each part takes and may take, as the last cleanup measured it (KILNYARD_CLEANUP_MS).',
    answer: storageView,
    example: {
      items: [
        {
          part: 'caches',
          host: '',
          items: 12,
          usedBytes: 734003200,
          budgetBytes: 53687091200,
          measuredAt: '2026-01-05T09:00:00.000Z',
        },
      ],
    },
    errors: [],
  })
  async look(): Promise<z.infer<typeof storageView>> {
    const items = await this.storage.list();
    return { items: items.map((use) => ({ ...use, measuredAt: use.measuredAt.toISOString() })) };
  }
}
