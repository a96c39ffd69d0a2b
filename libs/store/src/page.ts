// Pages and cursors. A cursor is the sort key of the last item, in base64url; callers treat it as opaque.
import { Refusal } from '#core/errors.js';

export interface Page<T> {
  items: T[];
  /** Null on the last page. */
  nextCursor: string | null;
}

/** In: the parts of the sort key, as text. Out: the cursor. */
export function makeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts), 'utf8').toString('base64url');
}

/**
 * Reads a cursor of `count` parts. Out: the parts, or null when none was given.
 * Errors: Refusal INVALID_INPUT naming the field `cursor`.
 */
export function readCursor(cursor: string | undefined, count: number): string[] | null {
  if (cursor === undefined || cursor === '') return null;
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(parts) && parts.length === count && parts.every((part) => typeof part === 'string')) return parts;
  } catch {
    // Not JSON: the same as a list of the wrong length, refused below.
  }
  throw badCursor(cursor);
}

/** Reads a cursor part that is a time. Errors: as readCursor. */
export function cursorTime(text: string, cursor: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw badCursor(cursor);
  return time;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads a cursor part that is an id. Errors: as readCursor. */
export function cursorId(text: string, cursor: string): string {
  if (!UUID.test(text)) throw badCursor(cursor);
  return text;
}

/** Reads a cursor part that is a number. Errors: as readCursor. */
export function cursorNumber(text: string, cursor: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number)) throw badCursor(cursor);
  return number;
}

function badCursor(cursor: string): Refusal {
  const got = cursor.slice(0, 100);
  return new Refusal('INVALID_INPUT', 'cursor: expected the nextCursor of an earlier page', {
    findings: [{ field: 'cursor', expected: 'the nextCursor of an earlier page', got }],
  });
}

/**
 * Makes a page from rows that were asked for with one more than `limit`.
 * In: rows in order; how a row becomes an item; its sort key.
 */
export function toPage<Row, T>(
  rows: Row[],
  limit: number,
  item: (row: Row) => T,
  key: (row: Row) => readonly string[],
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(item),
    nextCursor: rows.length > limit && last !== undefined ? makeCursor(key(last)) : null,
  };
}
