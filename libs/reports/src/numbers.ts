// Numbers as tools write them into reports.
import { BrokenReport, shown } from './broken-report.js';
import { MAX_DURATION_NS, MAX_NUMBER } from './limits.js';

/**
 * Seconds as text, with or without thousands separators, to ns.
 * Out: 0 for none, and for what is no time: a clock that went back is no reason to lose a report. Errors: BrokenReport for one beyond
 * MAX_DURATION_NS.
 */
export function secondsToNs(text: string | undefined): number {
  const trimmed = (text ?? '').trim();
  const plain = /^\d{1,3}(,\d{3})+(\.\d+)?$/.test(trimmed) ? trimmed.replaceAll(',', '') : trimmed.replace(',', '.');
  return durationNs(Number(plain === '' ? 0 : plain) * 1e9, trimmed);
}

export function millisecondsToNs(text: string | undefined): number {
  return durationNs(Number(text ?? 0) * 1e6, text);
}

/** `[d.]hh:mm:ss[.fffffff]`, as .NET writes a span of time. */
export function spanToNs(text: string | undefined): number {
  const match = /^(?:(\d{1,9})\.)?(\d{1,4}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)$/.exec((text ?? '').trim());
  if (match === null) return 0;
  const [, days = '0', hours, minutes, seconds] = match;
  return durationNs((((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1e9, text);
}

/** `written`: for the message. Errors: as secondsToNs. */
export function durationNs(ns: number, written: unknown): number {
  if (!(ns > 0)) return 0;
  if (ns > MAX_DURATION_NS) throw new BrokenReport(`expected a duration of at most 30 days, got ${shown(written)}`);
  return Math.round(ns);
}

/** A line number or a count. `what` names it. Errors: BrokenReport for anything but a whole number from 0 to MAX_NUMBER. */
export function wholeNumber(value: string | number | undefined, what: string): number {
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value.trim()) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= MAX_NUMBER) return number;
  throw new BrokenReport(
    `expected a whole number from 0 to ${MAX_NUMBER} as ${what}, got ${shown(value ?? 'nothing')}`,
  );
}

/** Was a line executed? Counts may be as large as they like, and some tools write them with an exponent. Errors: BrokenReport for no number. */
export function isHit(value: unknown, what: string): boolean {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && !Number.isNaN(number)) return number > 0;
  throw new BrokenReport(`expected a number as ${what}, got ${shown(value ?? 'nothing')}`);
}
