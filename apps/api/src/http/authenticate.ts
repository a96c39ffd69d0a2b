// Who is asking: a bearer token on everything but the few open routes. Runs before a body is read.
import { createHash, timingSafeEqual } from 'node:crypto';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Refusal } from '#core/errors.js';
import type { TokensStore } from '#store/tokens.store.js';

export interface Principal {
  /** The token's id; `admin` for the operator's own. */
  id: string;
  /** Shown as a build's initiator. */
  name: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
}

/** The asking principal, in a handler's parameters. */
export const Asking = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (principal === null) throw new Error('a handler behind authentication was reached without a principal');
  return principal;
});

const BEARER = /^Bearer +([\x21-\x7e]{1,512}) *$/i;

export class Authenticator {
  private readonly adminHash: Buffer | null;

  /** `adminToken`: the operator's own token; empty for none. */
  constructor(
    private readonly tokens: Pick<TokensStore, 'find'>,
    adminToken: string,
  ) {
    this.adminHash = adminToken === '' ? null : hash(adminToken);
  }

  /**
   * In: the Authorization header. Out: who it is.
   * Errors: Refusal UNAUTHENTICATED, which never says whether a token ever existed; Fault DATABASE_UNAVAILABLE.
   */
  async identify(header: string | undefined): Promise<Principal> {
    const token = BEARER.exec(header ?? '')?.[1];
    if (token === undefined) {
      const got = header === undefined ? 'no Authorization header' : 'another kind of Authorization header';
      throw new Refusal('UNAUTHENTICATED', `expected \`Authorization: Bearer <token>\`, got ${got}`);
    }
    if (this.adminHash !== null && timingSafeEqual(this.adminHash, hash(token))) return { id: 'admin', name: 'admin' };
    const found = await this.tokens.find(token);
    if (found === null) throw new Refusal('UNAUTHENTICATED', 'the token is unknown, expired or revoked');
    return { id: found.id, name: found.name };
  }
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Editors fetch it, and have no token. */
const SCHEMA_PATH = '/v1/buildspec/schema.json';

/** Routes that need no token. `/metrics` joins them where the operator opened it. */
export function isOpenRoute(path: string, metricsPublic: boolean): boolean {
  if (path === '/' || path === '/health' || path === '/openapi.json' || path === SCHEMA_PATH) return true;
  if (path === '/metrics') return metricsPublic;
  return path === '/docs' || path.startsWith('/docs/');
}
