// Gathers the coverage of one report, line by line: the same source file may be told of several times, by several files and classes,
// and a line counts once.
import type { CoverageCounts, FileCoverage } from '#core/report.js';
import { BrokenReport } from './broken-report.js';
import { MAX_COVERED_FILES, MAX_COVERED_LINES } from './limits.js';

/** Characters that are kept of a path. */
const MAX_PATH = 1_024;

interface Branches {
  covered: number;
  total: number;
}

/** What one report file says of one source file. */
export class SourceCoverage {
  readonly lines = new Map<number, boolean>();
  /** By what the format tells branches apart: a line, or a branch of it. */
  readonly branches = new Map<string, Branches>();
  /** Of formats that count without naming lines. */
  counted: CoverageCounts | null = null;

  line(number: number, hit: boolean): void {
    this.lines.set(number, hit || this.lines.get(number) === true);
  }

  /** Told twice, the better one counts. */
  branch(key: string, covered: number, total: number): void {
    const known = this.branches.get(key);
    const most = Math.max(total, known?.total ?? 0);
    this.branches.set(key, { covered: Math.min(most, Math.max(covered, known?.covered ?? 0)), total: most });
  }

  get size(): number {
    return 1 + this.lines.size + this.branches.size;
  }

  counts(): CoverageCounts {
    if (this.counted !== null && this.size === 1) return this.counted;
    let linesCovered = 0;
    for (const hit of this.lines.values()) if (hit) linesCovered += 1;
    let branchesCovered = 0;
    let branches = 0;
    for (const { covered, total } of this.branches.values()) {
      branchesCovered += covered;
      branches += total;
    }
    return {
      linesCovered,
      linesMissed: this.lines.size - linesCovered,
      branchesCovered,
      branchesMissed: branches - branchesCovered,
    };
  }
}

/** What one report file says of all of them. */
export class CoverageOfFile {
  readonly sources = new Map<string, SourceCoverage>();
  private held = 0;

  /** The source file of that path. Errors: BrokenReport for too many. */
  source(path: string): SourceCoverage {
    const key = path.slice(0, MAX_PATH);
    let source = this.sources.get(key);
    if (source === undefined) {
      if (this.sources.size >= MAX_COVERED_FILES) throw tooMany('source files', MAX_COVERED_FILES);
      source = new SourceCoverage();
      this.sources.set(key, source);
    }
    return source;
  }

  /** Call now and then while lines are added. Errors: BrokenReport for too many. */
  grew(by = 1): void {
    this.held += by;
    if (this.held > MAX_COVERED_LINES) throw tooMany('lines and branches', MAX_COVERED_LINES);
  }
}

export class Coverage {
  private readonly sources = new Map<string, SourceCoverage>();
  private held = 0;

  /** Takes what one file says. Errors: BrokenReport when it is too much; then nothing of it is taken. */
  add(file: CoverageOfFile): void {
    const size = [...file.sources.values()].reduce((sum, source) => sum + source.size, 0);
    if (this.held + size > MAX_COVERED_LINES) throw tooMany('lines and branches', MAX_COVERED_LINES);
    const fresh = [...file.sources.keys()].filter((path) => !this.sources.has(path)).length;
    if (this.sources.size + fresh > MAX_COVERED_FILES) throw tooMany('source files', MAX_COVERED_FILES);
    this.held += size;
    for (const [path, source] of file.sources) this.merge(path, source);
  }

  get files(): FileCoverage[] {
    return [...this.sources]
      .map(([path, source]) => ({ path, ...source.counts() }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  private merge(path: string, source: SourceCoverage): void {
    const known = this.sources.get(path);
    if (known === undefined) {
      this.sources.set(path, source);
      return;
    }
    for (const [number, hit] of source.lines) known.line(number, hit);
    for (const [key, { covered, total }] of source.branches) known.branch(key, covered, total);
    if (source.counted !== null) known.counted = better(known.counted, source.counted);
  }
}

/** The sum over files. */
export function sumOf(files: readonly FileCoverage[]): CoverageCounts {
  const sum = { linesCovered: 0, linesMissed: 0, branchesCovered: 0, branchesMissed: 0 };
  for (const file of files) {
    sum.linesCovered += file.linesCovered;
    sum.linesMissed += file.linesMissed;
    sum.branchesCovered += file.branchesCovered;
    sum.branchesMissed += file.branchesMissed;
  }
  return sum;
}

/** Of two counts of one source file, without lines to merge: the one that covers more. */
export function better(a: CoverageCounts | null, b: CoverageCounts): CoverageCounts {
  return a !== null && a.linesCovered >= b.linesCovered ? a : b;
}

function tooMany(what: string, limit: number): BrokenReport {
  return new BrokenReport(`expected at most ${limit} ${what} in a coverage report, got more`);
}
