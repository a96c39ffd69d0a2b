// Builds the HTTP application around open connections; listens to nothing yet.
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { QueueCountsStore } from '#store/queue-counts.store.js';
import { TokensStore } from '#store/tokens.store.js';
import { AppModule } from './app.module.js';
import type { Connections } from './connections.js';
import { serveDocs } from './docs/serve-docs.js';
import { AllowedMethods } from './http/allowed-methods.js';
import { Authenticator } from './http/authenticate.js';
import { addBodyParsers } from './http/body-parsers.js';
import { nestLogger } from './http/nest-logger.js';
import { ProblemFilter, pathOf } from './http/problem.filter.js';
import { addRequestHooks, requestIdOf, securityHeaders } from './http/request-hooks.js';
import { ValidationPipe } from './http/validation.pipe.js';
import { registerServiceMetrics } from './metrics/service-metrics.js';

/** A request must have arrived whole within this; uploads have their own pace and their own limit. */
export const HEADERS_TIMEOUT_MS = 30_000;
/** Longer than what proxies usually keep a connection, so that they and not we close it. */
export const KEEP_ALIVE_MS = 75_000;
/** `upload:` ids, build ids and names are shorter; names of files may be long. */
const MAX_PARAM_LENGTH = 4096;

export async function createApp(on: Connections): Promise<NestFastifyApplication> {
  const { logger, metrics, settings, database } = on;
  const methods = new AllowedMethods();
  const filter = new ProblemFilter(logger, methods);
  const adapter = new FastifyAdapter({
    logger: false,
    genReqId: requestIdOf,
    bodyLimit: settings.http.maxBodyBytes,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: 0,
    return503OnClosing: false, // Fastify's own does not say when to come again; request-hooks.ts has another
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH, ignoreTrailingSlash: false },
    multipart: false,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      void reply.headers({ ...securityHeaders(pathOf(request.url)), 'x-request-id': request.id });
      filter.answer(error, request, reply);
    },
  });
  const server = adapter.getInstance();
  methods.watch(server);
  addBodyParsers(server);
  const authenticator = new Authenticator(new TokensStore(database), settings.access.adminToken);
  addRequestHooks(server, { authenticator, metrics, metricsPublic: settings.access.metricsPublic });
  registerServiceMetrics({ metrics, database, counts: new QueueCountsStore(database), logger });
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.on(() => on),
    adapter,
    { logger: nestLogger(logger), bodyParser: false, abortOnError: false },
  );
  app.useGlobalPipes(new ValidationPipe());
  app.useGlobalFilters(filter);
  serveDocs(app);
  await app.init();
  await server.ready();
  return app;
}
