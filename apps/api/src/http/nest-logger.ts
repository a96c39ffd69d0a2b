// Nest's own words go into our diagnostics; what it says of every route at start is nobody's news.
import type { LoggerService } from '@nestjs/common';
import type { Logger } from '#observe/logger.js';

export function nestLogger(logger: Logger): LoggerService {
  const words = (message: unknown): string => (message instanceof Error ? message.message : String(message));
  return {
    log: () => undefined,
    debug: () => undefined,
    verbose: () => undefined,
    warn: (message: unknown) => logger.warn(words(message), { from: 'nest' }),
    error: (message: unknown, ...rest: unknown[]) => logger.error(words(message), { from: 'nest', error: rest[0] }),
    fatal: (message: unknown) => logger.error(words(message), { from: 'nest' }),
  };
}
