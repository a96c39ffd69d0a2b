// Refusals that only HTTP knows: they never leave this app, so their codes are not core's.
import { KilnyardError, type Finding } from '#core/errors.js';

export const HTTP_REFUSAL_CODES = [
  'MALFORMED_BODY',
  'MALFORMED_URL',
  'METHOD_NOT_ALLOWED',
  'NOT_ACCEPTABLE',
  'BODY_TOO_LARGE',
  'HEADERS_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'IDEMPOTENCY_IN_PROGRESS',
  'REQUEST_TIMEOUT',
  'SHUTTING_DOWN',
] as const;
export type HttpRefusalCode = (typeof HTTP_REFUSAL_CODES)[number];

/** A request that HTTP itself refuses. `headers` go with the answer (Allow, Retry-After, Connection). */
export class HttpRefusal extends KilnyardError {
  readonly findings: readonly Finding[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: HttpRefusalCode,
    message: string,
    options: { findings?: Finding[]; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.findings = options.findings ?? [];
    this.headers = options.headers ?? {};
  }
}
