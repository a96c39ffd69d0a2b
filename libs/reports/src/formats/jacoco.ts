// JaCoCo's XML: the counters of each source file. Its DOCTYPE names a DTD, which is never fetched.
import { better, CoverageOfFile, type SourceCoverage } from '../coverage.js';
import { wholeNumber } from '../numbers.js';
import { readXml } from '../xml.js';

/** Errors: BrokenReport. */
export function readJacoco(pieces: Iterable<string>): CoverageOfFile {
  const coverage = new CoverageOfFile();
  const folders: string[] = [];
  let source: SourceCoverage | null = null;
  let counts = none();
  readXml(pieces, ['report'], {
    open({ name, attributes }) {
      if (name === 'group' || name === 'package') folders.push(attributes.name ?? '');
      if (name === 'sourcefile') {
        source = coverage.source([...folders, attributes.name ?? ''].filter((part) => part !== '').join('/'));
        counts = none();
      }
      if (name !== 'counter' || source === null) return;
      const covered = wholeNumber(attributes.covered, 'covered of a counter');
      const missed = wholeNumber(attributes.missed, 'missed of a counter');
      if (attributes.type === 'LINE') counts = { ...counts, linesCovered: covered, linesMissed: missed };
      if (attributes.type === 'BRANCH') counts = { ...counts, branchesCovered: covered, branchesMissed: missed };
    },
    close(name) {
      if (name === 'group' || name === 'package') folders.pop();
      if (name !== 'sourcefile' || source === null) return;
      source.counted = better(source.counted, counts);
      source = null;
    },
  });
  return coverage;
}

function none(): { linesCovered: number; linesMissed: number; branchesCovered: number; branchesMissed: number } {
  return { linesCovered: 0, linesMissed: 0, branchesCovered: 0, branchesMissed: 0 };
}
