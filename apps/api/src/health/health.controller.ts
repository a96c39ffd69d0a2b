// /health, open to all: for load balancers, orchestrators and people in a hurry.
import { Controller, Get, Res } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Describe } from '../docs/describe.js';
import { schemaRef } from '../docs/schemas.js';
import { timestamp } from '../projects/project.dto.js';
import { HealthChecks, type Health } from './health.js';

const status = z.enum(['ok', 'degraded', 'failing']);
const component = z
  .object({ status, message: z.string(), lastCheckedAt: timestamp, lastOkAt: timestamp.nullable() })
  .meta({ id: 'ComponentHealth' });
const healthView = z
  .object({
    status,
    components: z.object({ database: component, redis: component, workers: component, storage: component }),
  })
  .meta({ id: 'Health' });

const OK = {
  status: 'ok',
  message: '',
  lastCheckedAt: '2026-01-05T09:00:00.000Z',
  lastOkAt: '2026-01-05T09:00:00.000Z',
};

@ApiTags('Service')
@Controller('health')
export class HealthController {
  constructor(private readonly health: HealthChecks) {}

  @Get()
  @Describe({
    summary: 'Health',
    description:
      '`ok`, `degraded` (builds may start late or wait) or `failing` (503). Each part with its last check. Needs no token.',
    open: true,
    answer: healthView,
    example: { status: 'ok', components: { database: OK, redis: OK, workers: OK, storage: OK } },
    errors: [],
  })
  @ApiResponse({
    status: 503,
    description: 'Failing; the body has the same shape.',
    content: { 'application/json': { schema: schemaRef(healthView) } },
  })
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<z.infer<typeof healthView>> {
    const health = await this.health.read();
    void reply.code(health.status === 'failing' ? 503 : 200).header('cache-control', 'no-store');
    return toHealthView(health);
  }
}

function toHealthView({ status: whole, components }: Health): z.infer<typeof healthView> {
  const shown = (part: Health['components']['database']): z.infer<typeof component> => ({
    ...part,
    lastCheckedAt: part.lastCheckedAt.toISOString(),
    lastOkAt: part.lastOkAt?.toISOString() ?? null,
  });
  const { database, redis, workers, storage } = components;
  return {
    status: whole,
    components: { database: shown(database), redis: shown(redis), workers: shown(workers), storage: shown(storage) },
  };
}
