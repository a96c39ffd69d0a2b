// The store's edge to Postgres: what the driver or Prisma throws becomes one of our own errors here and nowhere else.
import { Fault, KilnyardError, messageOf } from '#core/errors.js';

/** SQLSTATE classes and codes after which the same call may succeed: no connection, shutting down, no room for a client, lost races. */
const UNAVAILABLE = /^(08...|57P0[1-5]|53300|55P03|57014|40001|40P01|25006)$/;
const DISK_FULL = '53100';
/** Node's words for a connection that is not there. */
const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** Prisma's: not reachable, timed out, closed, no connection free, write conflict, transaction gone, too many connections. */
const PRISMA = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037']);
/** The driver has no code for these. */
const MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout|Client was closed|Cannot use a pool after calling end|Unable to start a transaction)/;
/** How deep causes are looked at. */
const MAX_CAUSES = 6;

/**
 * Turns anything that a database call threw into an error of the house.
 * In: what was thrown. Out: our own errors as they are; Fault DATABASE_UNAVAILABLE (retryable) when the call may succeed later;
 * Fault STORAGE_FULL when Postgres has no disk left; else the thing itself, which is a bug.
 */
export function fromDatabaseError(thrown: unknown): unknown {
  if (thrown instanceof KilnyardError) return thrown;
  const codes = codesOf(thrown);
  if (codes.includes(DISK_FULL)) {
    return new Fault('STORAGE_FULL', 'Postgres has no disk space left', {
      cause: thrown,
      retryable: true,
      details: { disk: 'database' },
    });
  }
  if (codes.some((code) => UNAVAILABLE.test(code) || SOCKET.has(code) || PRISMA.has(code)) || saysUnavailable(thrown)) {
    return new Fault('DATABASE_UNAVAILABLE', `the database does not answer: ${messageOf(thrown) || codes.join(' ')}`, {
      cause: thrown,
      retryable: true,
    });
  }
  return thrown;
}

/** Runs a call and translates what it throws. */
export async function atDatabaseEdge<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromDatabaseError(error);
  }
}

/** True for a violated unique constraint, as the driver and as Prisma say it. */
export function isUniqueViolation(thrown: unknown): boolean {
  return codesOf(thrown).some((code) => code === '23505' || code === 'P2002');
}

/** True where a row fits no partition of its table. */
export function isMissingPartition(thrown: unknown): boolean {
  return codesOf(thrown).includes('23514') && /no partition of relation/.test((thrown as Error).message);
}

/** True where Prisma found no row to change. */
export function isMissingRow(thrown: unknown): boolean {
  return codesOf(thrown).includes('P2025');
}

/** Codes of the error and its causes, also where Prisma hides the driver's (`meta.driverAdapterError.cause.originalCode`). */
function codesOf(thrown: unknown): string[] {
  const codes: string[] = [];
  let queue: unknown[] = [thrown];
  for (let depth = 0; depth < MAX_CAUSES && queue.length > 0; depth++) {
    const next: unknown[] = [];
    for (const item of queue) {
      if (typeof item !== 'object' || item === null) continue;
      const { code, originalCode, cause, meta, driverAdapterError, errors } = item as Record<string, unknown>;
      for (const value of [code, originalCode]) if (typeof value === 'string') codes.push(value);
      next.push(cause, meta, driverAdapterError, ...(Array.isArray(errors) ? errors : []));
    }
    queue = next;
  }
  return codes;
}

function saysUnavailable(thrown: unknown): boolean {
  for (let error = thrown, depth = 0; error instanceof Error && depth < MAX_CAUSES; error = error.cause, depth++) {
    if (MESSAGES.test(error.message)) return true;
  }
  return false;
}
