// /metrics for Prometheus; behind a token unless the operator opened it.
import { Controller, Get, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Metrics } from '#observe/metrics.js';
import { Describe } from '../docs/describe.js';

@ApiTags('Service')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Describe({
    summary: 'Metrics',
    description: "Prometheus' text format. Needs a token unless KILNYARD_METRICS_PUBLIC is true.",
    content: {
      'text/plain': {
        schema: { type: 'string' },
        example: '# TYPE kilnyard_queue_waiting gauge\nkilnyard_queue_waiting 0\n',
      },
    },
    errors: [],
  })
  async read(@Res() reply: FastifyReply): Promise<void> {
    await reply
      .header('content-type', this.metrics.contentType)
      .header('cache-control', 'no-store')
      .send(await this.metrics.text());
  }
}
