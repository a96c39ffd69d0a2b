// Docker's answers in our words. Nothing past this folder sees an HTTP status of the engine.
import { Fault } from '#core/errors.js';

/** The engine's HTTP status, when it answered with one. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** The engine's own words, without dockerode's frame around them. */
export function wordsOf(error: unknown): string {
  const message = (error as { json?: { message?: string } } | null)?.json?.message;
  const words = message ?? (error instanceof Error ? error.message : String(error));
  return words.replace(/^\(HTTP code \d+\) [a-z ]*- /i, '').trim();
}

/** True when the engine did not answer at all. */
export function isUnreachable(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return (
    statusOf(error) === undefined &&
    ['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE', 'EACCES', 'ETIMEDOUT'].includes(code ?? '')
  );
}

/** Anything thrown by dockerode as a Fault; `doing` says what was tried. */
export function engineFault(error: unknown, doing: string): Fault {
  if (error instanceof Fault) return error;
  const unreachable = isUnreachable(error);
  if (!unreachable && /no space left on device/i.test(wordsOf(error))) {
    return new Fault('STORAGE_FULL', `${doing}: the Docker Engine's disk is full`, {
      cause: error,
      retryable: true,
      details: { disk: 'engine' },
    });
  }
  return new Fault(
    'DOCKER_UNAVAILABLE',
    `${doing}: ${unreachable ? 'the Docker Engine does not answer' : wordsOf(error)}`,
    {
      cause: error,
      retryable: unreachable,
    },
  );
}
