// Idempotency-Key: a creating POST that is sent again under the same key gives the first answer again and creates nothing.
// Where the creation takes an id from here (`byId`), that holds even when the first request's process died over it.
import { createHash } from 'node:crypto';
import {
  Inject,
  Injectable,
  SetMetadata,
  UseInterceptors,
  applyDecorators,
  createParamDecorator,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '#core/errors.js';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { Logger } from '#observe/logger.js';
import { IdempotencyStore } from '#store/idempotency.store.js';
import { LOGGER, SETTINGS, type ApiSettings } from '../connections.js';
import { HttpRefusal } from './http-refusal.js';
import { refusalOf, shown } from './findings.js';
import { pathOf } from './problem.filter.js';

const KEY = /^[\x21-\x7e]{1,255}$/;
const CREATES = 'kilnyard:creates';

declare module 'fastify' {
  interface FastifyRequest {
    creationId: string | undefined;
  }
}

interface Creation {
  location: (body: unknown) => string;
  byId: boolean;
}

/** In a handler's parameters: the id under which to create; undefined for a request without a key. */
export const CreationId = createParamDecorator(
  (_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<FastifyRequest>().creationId,
);

/**
 * Marks a creating POST: takes an Idempotency-Key, answers 201 with the Location that `location` makes of the body.
 * `byId`: the handler creates under CreationId, and finds what is there under it already; such a request may be at work twice.
 */
export function Creates<T>(location: (body: T) => string, options: { byId?: boolean } = {}): MethodDecorator {
  const creation = { location, byId: options.byId ?? false };
  return applyDecorators(SetMetadata(CREATES, creation), UseInterceptors(IdempotencyInterceptor));
}

@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly store: IdempotencyStore,
    private readonly reflector: Reflector,
    @Inject(SETTINGS) private readonly settings: ApiSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const { location, byId } = this.reflector.get<Creation>(CREATES, context.getHandler());
    return from(
      this.once(request, reply, byId, () => lastValueFrom(next.handle())).then((body) => {
        void reply.header('location', location(body));
        return body;
      }),
    );
  }

  private async once(
    request: FastifyRequest,
    reply: FastifyReply,
    byId: boolean,
    handle: () => Promise<unknown>,
  ): Promise<unknown> {
    const key = readKey(request.headers['idempotency-key']);
    if (key === null) return handle();
    const place = { principal: request.principal?.id ?? '', route: `POST ${request.routeOptions.url ?? ''}`, key };
    const begun = await this.store.begin({
      ...place,
      requestHash: hashOf(request),
      maxAgeMs: this.settings.access.idempotencyMinutes * 60_000,
    });
    if (begun.state === 'running' && !byId)
      throw new HttpRefusal(
        'IDEMPOTENCY_IN_PROGRESS',
        'the first request under this Idempotency-Key is still at work; try again',
      );
    if (begun.state === 'done') {
      void reply.code(begun.status).header('idempotent-replayed', 'true');
      return begun.body;
    }
    if (byId) request.creationId = begun.id;
    return this.first(place, reply, { handle, byId });
  }

  private async first(
    place: { principal: string; route: string; key: string },
    reply: FastifyReply,
    { handle, byId }: { handle: () => Promise<unknown>; byId: boolean },
  ): Promise<unknown> {
    let body: unknown;
    try {
      body = await handle();
    } catch (thrown) {
      // Only a refusal tells that nothing was created; after anything else the id stays with the key, and the next request finds out.
      if (byId && !(thrown instanceof Refusal)) throw thrown;
      // Nothing was created, so the key is free again. When even that fails, the key stays taken until it is forgotten.
      await this.store
        .abandon(place)
        .catch((error: unknown) => this.logger.warn('idempotency key could not be given back', { error }));
      throw thrown;
    }
    // What was created stands, whether or not the answer can be kept.
    await this.store
      .finish({ ...place, status: reply.statusCode, body })
      .catch((error: unknown) => this.logger.error('answer could not be kept for its idempotency key', { error }));
    return body;
  }
}

function readKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && KEY.test(header)) return header;
  throw refusalOf([
    {
      field: 'Idempotency-Key',
      expected: '1 to 255 visible ASCII characters',
      got: shown('Idempotency-Key', typeof header === 'string' ? header : 'several headers'),
    },
  ]);
}

/** Method, path and body: the same key for anything else is a mistake of the caller's. */
function hashOf(request: FastifyRequest): string {
  const body = request.body === undefined ? '' : JSON.stringify(request.body, sorted);
  return createHash('sha256')
    .update(`${request.method} ${pathOf(request.url)}\n${body}`)
    .digest('hex');
}

function sorted(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
