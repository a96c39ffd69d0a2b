// The service's own diagnostics: JSON lines on stderr. Not a build's log, which is a user's output and lies in the store.
import { pino, type DestinationStream } from 'pino';
import { currentContext } from './context.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Data of a line, flat where it can be. An `error` field is written as `{name, code, message, stack, cause}`. */
export type Fields = Record<string, unknown>;

/** One line per call: level, time (ISO-8601), the fixed keys of the context, the data, and the message, a lower-case fact. */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger whose lines all carry `fields` too. */
  with(fields: Fields): Logger;
}

/** Fields whose name says that they are nobody's business; their value shows as `***` at any depth down to three. */
const SECRET_KEYS = [
  'authorization',
  'password',
  'token',
  'secret',
  'privateKey',
  'masterKey',
  'adminToken',
  'databaseUrl',
  'redisUrl',
  'cookie',
];
const REDACT_PATHS = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);
const LONGEST_STACK = 4000;

/**
 * Makes a process's logger.
 * In: the lowest level that is written; the name of the process; where lines go (default stderr, written at once).
 */
export function createLogger(options: { level: LogLevel; name: string; to?: DestinationStream }): Logger {
  const root = pino(
    {
      level: options.level,
      base: { name: options.name },
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => ({ ...currentContext() }),
      redact: { paths: REDACT_PATHS, censor: '***' },
      serializers: { error: describeError },
    },
    options.to ?? pino.destination({ dest: 2, sync: true }),
  );
  return wrap(root);
}

/** Writes nothing; for tests and for one-off commands. */
export const SILENT: Logger = createLogger({ level: 'silent', name: 'silent' });

function wrap(target: pino.Logger): Logger {
  return {
    debug: (message, fields = {}) => target.debug(fields, message),
    info: (message, fields = {}) => target.info(fields, message),
    warn: (message, fields = {}) => target.warn(fields, message),
    error: (message, fields = {}) => target.error(fields, message),
    with: (fields) => wrap(target.child(fields)),
  };
}

/** An error as data; causes are followed, so that the first one is never lost. Credentials inside URLs are struck out. */
export function describeError(thrown: unknown, depth = 0): unknown {
  if (!(thrown instanceof Error)) return typeof thrown === 'string' ? withoutCredentials(thrown) : thrown;
  const code = 'code' in thrown ? thrown.code : undefined;
  return {
    name: thrown.name,
    ...(code === undefined ? {} : { code }),
    message: withoutCredentials(thrown.message),
    stack: withoutCredentials(thrown.stack ?? '').slice(0, LONGEST_STACK),
    ...(thrown.cause === undefined || depth >= 4 ? {} : { cause: describeError(thrown.cause, depth + 1) }),
  };
}

function withoutCredentials(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1***@');
}
