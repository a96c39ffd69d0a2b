// Clover's XML, as Clover, PHPUnit and Istanbul write it (the last puts packages into the metrics).
import { CoverageOfFile, type SourceCoverage } from '../coverage.js';
import { isHit, wholeNumber } from '../numbers.js';
import { readXml, type XmlElement } from '../xml.js';

/** Statements and conditions are lines; a condition has two branches. Methods are neither. Errors: BrokenReport. */
export function readClover(pieces: Iterable<string>): CoverageOfFile {
  const coverage = new CoverageOfFile();
  let source: SourceCoverage | null = null;
  readXml(pieces, ['coverage'], {
    open({ name, attributes }) {
      if (name === 'file') source = coverage.source(attributes.path ?? attributes.name ?? '');
      if (name !== 'line' || source === null) return;
      addLine(source, attributes);
      coverage.grew();
    },
    close(name) {
      if (name === 'file') source = null;
    },
  });
  return coverage;
}

function addLine(source: SourceCoverage, { num, type, count, truecount, falsecount }: XmlElement['attributes']): void {
  if (type !== 'stmt' && type !== 'cond') return;
  const number = wholeNumber(num, 'num of a line');
  const yes = truecount !== undefined && isHit(truecount, 'truecount');
  const no = falsecount !== undefined && isHit(falsecount, 'falsecount');
  source.line(number, yes || no || (count !== undefined && isHit(count, 'count')));
  if (type === 'cond') source.branch(String(number), Number(yes) + Number(no), 2);
}
