// A finding as people read it: file, line and column, what is wrong, and the line itself with a mark under the place.
import type { ExaminedFinding } from '#buildspec/examine.js';
import { describeFinding } from '#buildspec/findings.js';

/** Of a longer line, the part around the place. */
const WIDEST_LINE = 120;
const BEFORE_PLACE = 60;

/** In: the text that was examined. Out: lines without a newline at the end. What a terminal would act on shows as U+FFFD. */
export function showFinding(file: string, text: string, { severity, ...finding }: ExaminedFinding): string {
  const { line, column, suggestion, ...what } = finding;
  const place = line === undefined ? '' : `:${line}:${column ?? 1}`;
  const shown = [`${file}${place}: ${severity}: ${describeFinding(what)}`];
  const source = line === undefined ? undefined : lineAt(text, line);
  if (source !== undefined && source.trim() !== '') shown.push(...marked(String(line), source, (column ?? 1) - 1));
  if (suggestion !== undefined) shown.push(`  did you mean ${suggestion}?`);
  return shown.join('\n');
}

function marked(number: string, source: string, at: number): string[] {
  const from = source.length <= WIDEST_LINE ? 0 : Math.max(0, at - BEFORE_PLACE);
  const before = plain(source.slice(from, at));
  const rest = plain(source.slice(at, from + WIDEST_LINE));
  const indent = [...before].map((character) => (character === '\t' ? '\t' : ' ')).join('');
  return [`  ${number} | ${before}${rest}`, `  ${' '.repeat(number.length)} | ${indent}^`];
}

function lineAt(text: string, line: number): string | undefined {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  return source.split('\n', line)[line - 1]?.replace(/\r$/, '');
}

function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, (character) => (character === '\t' ? '\t' : '\uFFFD'));
}
