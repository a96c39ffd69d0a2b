// SimpleCov's JSON: `.resultset.json` (several runs, each with its files) and its own newer `coverage.json` (files below `coverage`).
import { BrokenReport } from '../broken-report.js';
import { CoverageOfFile, type SourceCoverage } from '../coverage.js';
import { isObject, listAt, objectAt, parseJson, type JsonObject } from '../json.js';
import { isHit } from '../numbers.js';

/** Errors: BrokenReport. */
export function readSimplecov(text: string): CoverageOfFile {
  const coverage = new CoverageOfFile();
  const top = objectAt(parseJson(text), 'SimpleCov’s result');
  for (const files of runsOf(top)) {
    for (const [path, said] of Object.entries(files)) addFile(coverage, path, said);
  }
  return coverage;
}

function runsOf(top: JsonObject): JsonObject[] {
  if (isObject(top['meta']) && top['coverage'] !== undefined) return [objectAt(top['coverage'], 'coverage')];
  const runs = Object.entries(top).map(([command, run]) =>
    objectAt(
      objectAt(run, `the run ${command.slice(0, 60)}`)['coverage'],
      `coverage of the run ${command.slice(0, 60)}`,
    ),
  );
  if (runs.length === 0) throw new BrokenReport('expected the coverage of a run at least, got none');
  return runs;
}

function addFile(coverage: CoverageOfFile, path: string, said: unknown): void {
  const source = coverage.source(path);
  const lines = Array.isArray(said)
    ? said
    : listAt(objectAt(said, `coverage of ${path.slice(0, 60)}`)['lines'], 'lines');
  coverage.grew(lines.length);
  for (const [index, hits] of lines.entries()) {
    // null: nothing to cover; a text: SimpleCov was told to ignore the line
    if (hits !== null && typeof hits !== 'string') source.line(index + 1, isHit(hits, 'hits of a line'));
  }
  if (isObject(said)) addBranches(coverage, source, said['branches']);
}

/** Ruby's own form is an object of conditions, each an object of branches; SimpleCov's newer one a list. */
function addBranches(coverage: CoverageOfFile, source: SourceCoverage, branches: unknown): void {
  const add = (key: string, hits: unknown): void => {
    coverage.grew();
    if (typeof hits !== 'string') source.branch(key, isHit(hits, 'hits of a branch') ? 1 : 0, 1);
  };
  if (Array.isArray(branches)) {
    for (const [index, one] of branches.entries()) {
      const branch = objectAt(one, 'a branch');
      const { type, start_line: line, coverage: hits } = branch;
      add(`${index}:${String(type)}:${String(line)}`, hits);
    }
  } else if (isObject(branches)) {
    for (const [condition, ways] of Object.entries(branches)) {
      for (const [way, hits] of Object.entries(objectAt(ways, 'branches'))) add(`${condition}${way}`, hits);
    }
  }
}
