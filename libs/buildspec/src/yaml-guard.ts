// Looks over a text before the YAML composer sees it. The composer is recursive and can take the whole process with it
// (a line of 250,000 "- " ends Node with a fatal error that no catch sees), so depth and amount are bounded on the token stream first.
import { Lexer } from 'yaml';
import type { Finding } from '#core/errors.js';
import { MAX_BUILDSPEC_BYTES, MAX_BUILDSPEC_DEPTH, MAX_BUILDSPEC_TOKENS } from './limits.js';

/** What the lexer puts between tokens without a character of the text behind it: start of document, of scalar, of flow error. */
const MARKS = new Set(['\u0002', '\u001f', '\u0018']);

/**
 * What makes a text too much to read, or null when it may be composed.
 * Depth by indentation needs no look here: n levels take n*n/2 spaces, so the size bounds it far below danger, and yaml-tree counts it.
 */
export function guardYaml(text: string): Finding | null {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BUILDSPEC_BYTES) return tooMuch(MAX_BUILDSPEC_BYTES, 'bytes', 'MAX_BUILDSPEC_BYTES', bytes);
  let tokens = 0;
  let offset = 0;
  let flow = 0;
  let onLine = 0;
  for (const token of new Lexer().lex(text)) {
    tokens += 1;
    if (tokens > MAX_BUILDSPEC_TOKENS) {
      return tooMuch(MAX_BUILDSPEC_TOKENS, 'YAML tokens', 'MAX_BUILDSPEC_TOKENS', 'more');
    }
    if (token === '[' || token === '{') flow += 1;
    else if (token === ']' || token === '}') flow = Math.max(0, flow - 1);
    else if (token === '\n' || token === '\r\n') onLine = 0;
    else if (flow === 0 && (token === '-' || token === '?' || token === ':')) onLine += 1;
    if (flow > MAX_BUILDSPEC_DEPTH || onLine > MAX_BUILDSPEC_DEPTH) {
      return { ...tooDeep(), ...placeOf(text, offset) };
    }
    if (!MARKS.has(token)) offset += token.length;
  }
  return null;
}

/** The finding for lists and maps nested too deep. */
export function tooDeep(): Finding {
  return tooMuch(MAX_BUILDSPEC_DEPTH, 'levels of lists and maps', 'MAX_BUILDSPEC_DEPTH', 'more');
}

/** The finding for a passed limit, by the limit's name. */
export function tooMuch(limit: number, unit: string, name: string, got: number | string): Finding {
  return { field: '', expected: `at most ${limit} ${unit} (${name})`, got: String(got) };
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}
