// Names of parameters and secrets in URLs: they may hold `/`, so they take the rest of the path.
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { refusalOf, shown } from './findings.js';

export const SLASHED_NAME = /^[A-Za-z0-9_./@+=:-]{1,512}$/;
export const SLASHED_NAME_EXPECTED = '1 to 512 letters, digits and _./@+=:-, without `..`';

/** The rest of the path, decoded. Errors: Refusal INVALID_INPUT. */
export const SlashedName = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const params = context.switchToHttp().getRequest<FastifyRequest>().params as Record<string, string | undefined>;
  return checkSlashedName(params['*'] ?? '');
});

export function checkSlashedName(name: string): string {
  if (SLASHED_NAME.test(name) && !name.split('/').includes('..')) return name;
  throw refusalOf([{ field: 'name', expected: SLASHED_NAME_EXPECTED, got: shown('name', name) }]);
}
