// What happens to every request before its route: id, context, security headers, measuring, and the question who is asking.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { withContext } from '#observe/context.js';
import { REQUEST_SECONDS, type Metrics } from '#observe/metrics.js';
import { isOpenRoute, type Authenticator } from './authenticate.js';
import { HttpRefusal } from './http-refusal.js';
import { pathOf } from './problem.filter.js';

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** The caller's X-Request-Id where it is sane, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/** On every answer. Swagger UI needs its own styles inline; everything else is data. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
} as const;
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

export function securityHeaders(path: string): Record<string, string> {
  const docs = path === '/docs' || path.startsWith('/docs/');
  return { ...HEADERS, 'content-security-policy': docs ? DOCS_POLICY : DATA_POLICY };
}

export function addRequestHooks(
  server: FastifyInstance,
  options: { authenticator: Authenticator; metrics: Metrics; metricsPublic: boolean },
): void {
  const { authenticator, metrics, metricsPublic } = options;
  const seconds = metrics.histogram({
    name: 'kilnyard_http_request_seconds',
    help: 'Time from the request to the end of its answer, by route; streams last as long as they are read.',
    labels: ['method', 'route', 'status'],
    buckets: REQUEST_SECONDS,
  });
  server.decorateRequest('principal', null);
  server.addHook('onRequest', (request, reply, done) => {
    void reply.headers({ ...securityHeaders(pathOf(request.url)), 'x-request-id': request.id });
    withContext({ requestId: request.id }, done);
  });
  refuseWhileClosing(server);
  server.addHook('onRequest', async (request) => {
    if (request.is404 || isOpenRoute(pathOf(request.url), metricsPublic)) return;
    request.principal = await authenticator.identify(request.headers.authorization);
  });
  // The body's events arrive outside of the first context, so the handler is put into it again.
  server.addHook('preHandler', (request, _reply, done) => withContext({ requestId: request.id }, done));
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    seconds.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
    done();
  });
}

/** A connection that is kept may bring one more request while those at work are waited for. */
function refuseWhileClosing(server: FastifyInstance): void {
  let closing = false;
  server.addHook('preClose', async () => {
    closing = true;
  });
  server.addHook('onRequest', async () => {
    if (closing)
      throw new HttpRefusal(
        'SHUTTING_DOWN',
        'this process of the API ends; another one, or the next, takes the request',
      );
  });
}
