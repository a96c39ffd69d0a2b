// Auto-discovery: which format has this file? By its name and its first bytes; wrong guesses are refused by the format's own reader.
import type { ReportFormat } from '#core/report.js';
import { BrokenReport } from './broken-report.js';
import { decodeAll } from './decode.js';

/** Bytes of a file's beginning that tell. */
export const GUESS_BYTES = 4_096;

/** A file of another name is not opened. Names in lower case. */
export function mayBeReport(name: string): boolean {
  return /\.(xml|trx)$|(^|\/)(lcov\.info|\.resultset\.json|[^/]*cucumber[^/]*\.json)$/.test(name.toLowerCase());
}

const ROOTS: Readonly<Record<string, ReportFormat>> = {
  testsuites: 'JUNITXML',
  testsuite: 'JUNITXML',
  'test-results': 'NUNITXML',
  'test-run': 'NUNIT3XML',
  'testng-results': 'TESTNGXML',
  TestRun: 'VISUALSTUDIOTRX',
};

/** In: path and the first GUESS_BYTES. Out: null for a file that looks like none. */
export function guessFormat(path: string, head: Uint8Array): ReportFormat | null {
  const name = path.toLowerCase();
  if (!mayBeReport(name)) return null;
  if (name.endsWith('lcov.info')) return 'LCOV';
  if (name.endsWith('.resultset.json')) return 'SIMPLECOV';
  const text = textOf(head);
  if (name.endsWith('.json')) return /^\s*\[\s*\{/.test(text) && text.includes('"elements"') ? 'CUCUMBERJSON' : null;
  return formatOfXml(text);
}

function formatOfXml(text: string): ReportFormat | null {
  // what may stand before the root: declaration, instructions, comments, a DOCTYPE
  const rest = text.replace(/<\?[^]*?\?>|<!--[^]*?-->/g, '');
  const root = /<([A-Za-z][\w-]*)([^>]*)>/.exec(rest.replace(/<!DOCTYPE[^>]*>/, ''));
  const [, element = '', attributes = ''] = root ?? [];
  if (Object.hasOwn(ROOTS, element)) return ROOTS[element]!;
  if (element === 'coverage')
    return /\bgenerated=|\bclover=/.test(attributes) ? 'CLOVERXML' : isCobertura(attributes) ? 'COBERTURAXML' : null;
  return element === 'report' && /jacoco/i.test(text) ? 'JACOCOXML' : null;
}

function isCobertura(attributes: string): boolean {
  return attributes.includes('line-rate=');
}

/** A head may end inside a character: what cannot be read tells nothing. */
function textOf(head: Uint8Array): string {
  for (const shorter of [0, 1, 2, 3]) {
    try {
      return decodeAll(head.subarray(0, head.length - shorter));
    } catch (error) {
      if (!(error instanceof BrokenReport)) throw error;
    }
  }
  return '';
}
