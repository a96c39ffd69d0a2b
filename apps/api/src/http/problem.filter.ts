// Every error of every route ends here and leaves as problem+json; the one that is our fault is also written into the diagnostics.
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '#observe/logger.js';
import type { AllowedMethods } from './allowed-methods.js';
import { translateFrameworkError } from './framework-error.js';
import { HttpRefusal } from './http-refusal.js';
import { toProblem } from './problem.js';
import { Refusal } from '#core/errors.js';

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly methods: AllowedMethods,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Also called from outside Nest, for errors of the server's own. */
  answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const error = this.orWrongMethod(translateFrameworkError(thrown), request);
    const { problem, headers, ours } = toProblem(error, request.id);
    if (ours) this.logger.error('request failed', { method: request.method, path: pathOf(request.url), error: thrown });
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    for (const name of ['content-length', 'content-disposition', 'etag', 'accept-ranges'])
      void reply.removeHeader(name);
    void reply
      .code(problem.status)
      .headers({ ...headers, 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' })
      .send(Buffer.from(JSON.stringify(problem)));
  }

  private orWrongMethod(error: unknown, request: FastifyRequest): unknown {
    if (!(error instanceof Refusal) || error.code !== 'NOT_FOUND' || !request.is404) return error;
    const path = pathOf(request.url);
    const allowed = this.methods.of(path);
    if (allowed.length === 0)
      return new Refusal('NOT_FOUND', `there is no route ${request.method} ${path.slice(0, 200)}`);
    const allow = allowed.join(', ');
    return new HttpRefusal('METHOD_NOT_ALLOWED', `expected one of ${allow}, got ${request.method}`, {
      headers: { allow },
    });
  }
}

/** The path of a request target, without its query: queries may hold what nobody should read in a log. */
export function pathOf(url: string): string {
  const at = url.indexOf('?');
  return at === -1 ? url : url.slice(0, at);
}
