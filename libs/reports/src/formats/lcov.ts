// LCOV's tracefile: records of lines that begin with a word. Kilnyard's own addition to CodeBuild's formats.
import { BrokenReport, shown } from '../broken-report.js';
import { CoverageOfFile, type SourceCoverage } from '../coverage.js';
import { isHit, wholeNumber } from '../numbers.js';

/** What LF, LH, BRF and BRH say, for records that list no lines. */
interface Sums {
  LF: number;
  LH: number;
  BRF: number;
  BRH: number;
}

/** Errors: BrokenReport, also for a file without a record, and one whose last record does not end. */
export function readLcov(text: string): CoverageOfFile {
  const coverage = new CoverageOfFile();
  let source: SourceCoverage | null = null;
  let sums = noSums();
  for (const line of linesOf(text)) {
    const colon = line.indexOf(':');
    const word = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1);
    if (word === 'SF') {
      if (source !== null) throw new BrokenReport('expected end_of_record before the next SF, got none');
      source = coverage.source(value);
      sums = noSums();
    } else if (word === 'end_of_record') {
      if (source !== null) end(source, sums);
      source = null;
    } else if (source !== null) {
      take(source, word, value, sums);
      coverage.grew();
    }
  }
  if (source !== null) throw new BrokenReport('expected end_of_record at its end, got none: the file is cut off');
  if (coverage.sources.size === 0) throw new BrokenReport('expected a record that begins with SF, got none');
  return coverage;
}

function take(source: SourceCoverage, word: string, value: string, sums: Sums): void {
  if (word === 'DA') {
    const [line, hits] = value.split(',', 2);
    source.line(wholeNumber(line, 'line of DA'), isHit(hits, 'hits of DA'));
  } else if (word === 'BRDA') {
    const [line, block, branch, taken] = value.split(',', 4);
    if (taken === undefined) throw new BrokenReport(`expected BRDA:line,block,branch,taken, got ${shown(value)}`);
    source.branch(`${line},${block},${branch}`, taken !== '-' && isHit(taken, 'taken of BRDA') ? 1 : 0, 1);
  } else if (word === 'LF' || word === 'LH' || word === 'BRF' || word === 'BRH') {
    sums[word] = wholeNumber(value, word);
  }
}

function end(source: SourceCoverage, { LF, LH, BRF, BRH }: Sums): void {
  if (source.lines.size > 0 || source.branches.size > 0) return;
  if (LH > LF || BRH > BRF)
    throw new BrokenReport(`expected at most as many hits as lines, got LF:${LF} LH:${LH} BRF:${BRF} BRH:${BRH}`);
  source.counted = { linesCovered: LH, linesMissed: LF - LH, branchesCovered: BRH, branchesMissed: BRF - BRH };
}

function noSums(): Sums {
  return { LF: 0, LH: 0, BRF: 0, BRH: 0 };
}

/** Without a list of all of them in memory. */
function* linesOf(text: string): Generator<string> {
  let from = 0;
  while (from < text.length) {
    const at = text.indexOf('\n', from);
    const to = at === -1 ? text.length : at;
    const line = text.slice(from, to).trim();
    if (line !== '') yield line;
    from = to + 1;
  }
}
