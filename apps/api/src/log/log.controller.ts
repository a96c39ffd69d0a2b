// A build's log over HTTP: a page of lines, a live stream, or the bytes as they were.
import { Readable } from 'node:stream';
import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Build } from '#core/build.js';
import { parseBuildId } from '#core/ids.js';
import type { Logger } from '#observe/logger.js';
import { BuildsStore } from '#store/builds.store.js';
import { Listener } from '#store/listen.js';
import { LogsStore } from '#store/logs.store.js';
import { LOGGER } from '../connections.js';
import { Describe } from '../docs/describe.js';
import { BUILD_PARAM } from '../docs/examples.js';
import { refusalOf, shown } from '../http/findings.js';
import { sendBytes } from '../http/send-bytes.js';
import { OpenStreams } from './event-stream.js';
import { followLog } from './follow-log.js';
import { LOG_ROUTE, RAW_ROUTE } from './log.docs.js';
import { logQuery, rawQuery } from './log.dto.js';
import { cursorAt, resumeAfter, type LogPosition } from './log-position.js';
import { readPage } from './read-page.js';

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
    const build = await this.builds.get(parseBuildId(id).id);
    const stream = wantsStream(request.headers.accept);
    const lastId = stream ? request.headers['last-event-id'] : undefined;
    const from = await this.startOf(build, query, typeof lastId === 'string' ? lastId : '');
    const only = query.attempt !== undefined;
    void reply.header('cache-control', 'no-store').header('vary', 'accept');
    const sources = { builds: this.builds, logs: this.logs, listener: this.listener };
    if (!stream) {
      await reply.send(await readPage(sources, { build, from, only, limit: query.limit }));
      return;
    }
    await this.streams.send(reply, (signal) => followLog(sources, { buildId: build.id, from, only, signal }), {
      onError: (error) => this.logger.error('log stream broke', { buildId: build.id, error }),
    });
  }

  @Get(':id/log/raw')
  @Describe({ ...RAW_ROUTE, params: BUILD_PARAM })
  async raw(
    @Param('id') id: string,
    @Query({ schema: rawQuery }) query: z.output<typeof rawQuery>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const build = await this.builds.get(parseBuildId(id).id);
    const { byteCount, seal, attempt } = await this.logs.size(build.id, query.attempt);
    void reply.header('kilnyard-log-complete', String(seal !== null && seal.cut !== true));
    await sendBytes(request, reply, {
      sizeBytes: byteCount,
      ...(seal === null ? {} : { etag: seal.sha256 }),
      fileName: `${build.projectName}-${build.number}${query.attempt === undefined ? '' : `-attempt-${attempt}`}.log`,
      contentType: 'text/plain; charset=utf-8',
      disposition: 'inline',
      open: ({ start, end }) =>
        Readable.from(this.logs.readRaw({ buildId: build.id, attempt, start, end }), {
          objectMode: false,
          highWaterMark: 1,
        }),
    });
  }

  /** Where reading begins. Errors: Refusal INVALID_INPUT, ATTEMPT_NOT_FOUND. */
  private async startOf(build: Build, query: LogQuery, lastId: string): Promise<LogPosition> {
    const attempt = query.attempt ?? Math.max(build.attempt, 1);
    if (query.attempt !== undefined) await this.logs.size(build.id, attempt);
    if (lastId !== '') return expectReachable(build, query, 'Last-Event-ID', lastId, resumeAfter(lastId));
    if (query.tail === undefined) {
      const place = { attempt, seq: 0, ...query.cursor };
      return expectReachable(build, query, 'cursor', cursorAt(place), place);
    }
    if (query.cursor !== undefined)
      throw refusalOf([{ field: 'tail', expected: 'either tail or cursor', got: 'both' }]);
    const { lineCount } = await this.logs.size(build.id, query.attempt);
    return { attempt, seq: Math.max(0, lineCount - query.tail) };
  }
}

/** A place may lie in the attempt that the build waits for, and no further; and in the attempt that was asked for. */
function expectReachable(
  build: Build,
  query: LogQuery,
  field: string,
  text: string,
  place: LogPosition | null,
): LogPosition {
  const last = build.attempt + 1;
  const within =
    place !== null && (query.attempt === undefined ? place.attempt <= last : place.attempt === query.attempt);
  if (place !== null && within) return place;
  const which = query.attempt === undefined ? `up to attempt ${last}` : `in attempt ${query.attempt}`;
  const expected = place === null ? 'the id of an event' : `a place ${which}`;
  throw refusalOf([{ field, expected, got: shown(field, text) }]);
}

/** True when the reader would rather have events than JSON. */
export function wantsStream(accept: string | undefined): boolean {
  return accept?.split(',').some((type) => type.trim().split(';')[0]?.toLowerCase() === 'text/event-stream') ?? false;
}
