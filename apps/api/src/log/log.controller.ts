// A build's log over HTTP: a page of lines, a live stream, or the bytes as they were.
import { Readable } from 'node:stream';
import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { parseBuildId, type BuildId } from '#core/ids.js';
import type { Logger } from '#observe/logger.js';
import { BuildsStore } from '#store/builds.store.js';
import { Listener } from '#store/listen.js';
import { logExpired, LogsStore } from '#store/logs.store.js';
import { LOGGER } from '../connections.js';
import { Describe } from '../docs/describe.js';
import { BUILD_PARAM } from '../docs/examples.js';
import { refusalOf, shown } from '../http/findings.js';
import { sendBytes } from '../http/send-bytes.js';
import { OpenStreams } from './event-stream.js';
import { followLog } from './follow-log.js';
import { LOG_ROUTE, RAW_ROUTE } from './log.docs.js';
import { logQuery, toLineView } from './log.dto.js';
import { resumeAfter } from './sse.js';

type LogQuery = z.output<typeof logQuery>;

@ApiTags('Logs')
@Controller('v1/builds')
export class LogController {
  constructor(
    private readonly builds: BuildsStore,
    private readonly logs: LogsStore,
    private readonly listener: Listener,
    private readonly streams: OpenStreams,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get(':id/log')
  @Describe({ ...LOG_ROUTE, params: BUILD_PARAM })
  async read(
    @Param('id') id: string,
    @Query({ schema: logQuery }) query: LogQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { id: buildId, logExpiredAt } = await this.builds.get(parseBuildId(id).id);
    if (logExpiredAt !== null) throw logExpired(logExpiredAt); // before a stream begins: its status is 200
    const stream = wantsStream(request.headers.accept);
    const fromSeq = await this.firstSeq(buildId, query, stream ? request.headers['last-event-id'] : undefined);
    void reply.header('cache-control', 'no-store').header('vary', 'accept');
    if (!stream) return this.page(buildId, fromSeq, query.limit, reply);
    await this.streams.send(
      reply,
      (signal) =>
        followLog({ builds: this.builds, logs: this.logs, listener: this.listener }, { buildId, fromSeq, signal }),
      { onError: (error) => this.logger.error('log stream broke', { buildId, error }) },
    );
  }

  @Get(':id/log/raw')
  @Describe({ ...RAW_ROUTE, params: BUILD_PARAM })
  async raw(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const build = await this.builds.get(parseBuildId(id).id);
    const { byteCount, seal, attempt } = await this.logs.size(build.id);
    void reply.header('kilnyard-log-complete', String(seal !== null && seal.cut !== true));
    await sendBytes(request, reply, {
      sizeBytes: byteCount,
      ...(seal === null ? {} : { etag: seal.sha256 }),
      fileName: `${build.projectName}-${build.number}.log`,
      contentType: 'text/plain; charset=utf-8',
      disposition: 'inline',
      open: ({ start, end }) =>
        Readable.from(this.logs.readRaw({ buildId: build.id, attempt, start, end }), {
          objectMode: false,
          highWaterMark: 1,
        }),
    });
  }

  private async page(buildId: BuildId, fromSeq: number, limit: number, reply: FastifyReply): Promise<void> {
    const { lines, nextSeq, complete } = await this.logs.read({ buildId, fromSeq, limit });
    await reply.send({ lines: lines.map(toLineView), nextCursor: complete ? null : String(nextSeq), complete });
  }

  private async firstSeq(buildId: BuildId, query: LogQuery, lastId: string | string[] | undefined): Promise<number> {
    if (typeof lastId === 'string' && lastId !== '') {
      const next = resumeAfter(lastId);
      if (next !== null) return next;
      throw refusalOf([{ field: 'Last-Event-ID', expected: 'a sequence number', got: shown('Last-Event-ID', lastId) }]);
    }
    if (query.tail === undefined) return query.cursor ?? 0;
    if (query.cursor !== undefined)
      throw refusalOf([{ field: 'tail', expected: 'either tail or cursor', got: 'both' }]);
    const { lineCount } = await this.logs.size(buildId);
    return Math.max(0, lineCount - query.tail);
  }
}

/** True when the reader would rather have events than JSON. */
export function wantsStream(accept: string | undefined): boolean {
  return accept?.split(',').some((type) => type.trim().split(';')[0]?.toLowerCase() === 'text/event-stream') ?? false;
}
