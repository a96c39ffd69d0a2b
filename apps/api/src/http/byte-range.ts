// Reads a Range header (RFC 9110, 14.2): one range of bytes; several are answered with the whole.
import { Refusal } from '#core/errors.js';

/** First and last byte, inclusive. */
export interface ByteRange {
  start: number;
  end: number;
}

const ONE_RANGE = /^bytes=(\d*)-(\d*)$/i;

/**
 * In: the header, and the size of what it cuts. Out: the range, or null when the whole is to be sent (no header, another unit, several ranges).
 * Errors: Refusal RANGE_NOT_SATISFIABLE when it starts behind the end.
 */
export function readRange(header: string | undefined, size: number): ByteRange | null {
  const match = ONE_RANGE.exec(header?.trim() ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  const [, first = '', last = ''] = match;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new Refusal('RANGE_NOT_SATISFIABLE', `expected a range inside ${size} bytes, got ${header ?? ''}`, {
      details: { size },
      findings: [{ field: 'Range', expected: `a range inside bytes 0-${size - 1}`, got: (header ?? '').slice(0, 100) }],
    });
  }
  return { start, end };
}
