// Cobertura's XML. A source file may hold several classes, and methods repeat the lines of their class: lines count once.
import { BrokenReport, shown } from '../broken-report.js';
import { CoverageOfFile, type SourceCoverage } from '../coverage.js';
import { isHit, wholeNumber } from '../numbers.js';
import { readXml } from '../xml.js';

/** Errors: BrokenReport. */
export function readCobertura(pieces: Iterable<string>): CoverageOfFile {
  const coverage = new CoverageOfFile();
  let source: SourceCoverage | null = null;
  readXml(pieces, ['coverage'], {
    open({ name, attributes }) {
      if (name === 'class') source = coverage.source(attributes.filename ?? attributes.name ?? '');
      if (name !== 'line' || source === null) return;
      const number = wholeNumber(attributes.number, 'number of a line');
      source.line(number, isHit(attributes.hits, 'hits of a line'));
      const conditions = attributes['condition-coverage'];
      if (attributes.branch?.toLowerCase() === 'true' && conditions !== undefined) {
        const [covered, total] = conditionsOf(conditions);
        source.branch(String(number), covered, total);
      }
      coverage.grew();
    },
    close(name) {
      if (name === 'class') source = null;
    },
  });
  return coverage;
}

/** `50% (1/2)`; some tools write the percentage alone, which tells no number of branches. */
function conditionsOf(text: string): [number, number] {
  const match = /\((\d{1,9})\/(\d{1,9})\)/.exec(text);
  if (match === null) return [0, 0];
  const [covered, total] = [Number(match[1]), Number(match[2])];
  if (covered > total)
    throw new BrokenReport(`expected at most as many covered conditions as there are, got ${shown(text)}`);
  return [covered, total];
}
