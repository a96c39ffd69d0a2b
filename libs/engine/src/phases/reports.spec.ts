import { describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { compile } from '#buildspec/compile.js';
import { parseBuildspec } from '#buildspec/parse.js';
import { Fault, Refusal } from '#core/errors.js';
import { nothingOf, type NewReport, type ReportContent, type ReportFormat } from '#core/report.js';
import { newProjectSettings } from '#testing/factories.js';
import { FakeClock } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import type { SandboxFile, WalkChoice } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import { LogPipeline } from '../logs/pipeline.js';
import { ReportReader, ReportStore } from '../ports.js';
import { expansionTexts } from './artifact-plan.js';
import { MAX_REPORT_FILE_BYTES } from './gather-report.js';
import { collectReports } from './reports.js';

const OFF = 'env: {variables: {CODEBUILD_CONFIG_AUTO_DISCOVER: false}}\n';

describe('collectReports', () => {
  it('reads the files that the buildspec names into the group of the project, and tells what is in them', async () => {
    const { run, store, texts } = newRun(`${OFF}reports: {unit: {files: ['out/*.xml']}}`, [
      file('out/a.xml', 'pass pass'),
      file('out/b.xml', 'fail'),
      file('c.xml', 'pass'),
    ]);
    await collectReports(run);
    expect(store.saved).toMatchObject([
      { group: 'hello-unit', format: 'JUNITXML', status: 'FAILED', message: '', content: { tests: { total: 3 } } },
    ]);
    expect(await texts()).toEqual([
      'Expanding base directory path: .',
      'Expanding file paths for base directory .',
      'Assembling file list',
      'Expanding out/*.xml',
      'Found 2 file(s)',
      'Report hello-unit FAILED: 3 test cases, 2 succeeded, 1 failed, 0 with errors, 0 skipped',
    ]);
  });

  it.each([
    ['no', 'out/a.xml'],
    ['yes', 'a.xml'],
  ])('names the file of a case, with discard-paths %s', async (discard, name) => {
    const { run, store } = newRun(`${OFF}reports: {unit: {files: ['**/*.xml'], discard-paths: ${discard}}}`, [
      file('out/a.xml', 'pass'),
    ]);
    await collectReports(run);
    expect(store.saved[0]?.content.cases.map((one) => one.file)).toEqual([name]);
  });

  it.each([
    ['nothing that matches', [], 'No matching report paths found for unit'],
    ['links, which lead anywhere', [link('a.xml', '/etc/passwd')], 'No matching report paths found for unit'],
    ['a file that is broken', [file('a.xml', 'broken')], 'Report file a.xml is not taken: it is broken'],
    ['a file that is too large', [{ ...file('a.xml', ''), sizeBytes: MAX_REPORT_FILE_BYTES + 1 }], 'expected at most'],
    ['a file that cannot be opened', [unreadable('a.xml')], 'Report file a.xml cannot be read: EACCES'],
  ])('%s: the report is INCOMPLETE and the build goes on', async (_, files, message) => {
    const { run, store, texts } = newRun(`${OFF}reports: {unit: {files: ['*.xml']}}`, files);
    await collectReports(run);
    expect(store.saved).toEqual([
      expect.objectContaining({ status: 'INCOMPLETE', message: expect.stringContaining(message) }),
    ]);
    expect((await texts()).join('\n')).toContain(message);
  });

  it('keeps what the other files hold when one is broken', async () => {
    const files = [file('a.xml', 'pass'), file('b.xml', 'broken'), file('c.xml', 'pass')];
    const { run, store } = newRun(`${OFF}reports: {unit: {files: ['*.xml']}}`, files);
    await collectReports(run);
    expect(store.saved).toMatchObject([{ status: 'INCOMPLETE', content: { tests: { total: 2 } } }]);
  });

  it('is INCOMPLETE when the reader gave up', async () => {
    const { run, store } = newRun(`${OFF}reports: {unit: {files: ['*.xml']}}`, [file('a.xml', 'pass deadly')]);
    await collectReports(run);
    expect(store.saved).toMatchObject([{ status: 'INCOMPLETE', content: nothingOf('JUNITXML') }]);
  });

  it('masks what tests print, and cuts it only then', async () => {
    const { run, store } = newRun(`${OFF}reports: {unit: {files: ['*.xml']}}`, [file('a.xml', 'fail')]);
    run.log.addSecrets(['hunter2hunter2']);
    store.message = `${'x'.repeat(4_990)}hunter2hunter2`;
    store.caseName = 'login with hunter2hunter2';
    await collectReports(run);
    const [one] = store.saved[0]!.content.cases;
    expect(one).toMatchObject({ name: 'login with ***', message: `${'x'.repeat(4_990)}***` });
  });

  it('tells that a group is none, or takes no such report, and goes on', async () => {
    const { run, store, texts } = newRun(`${OFF}reports: {'a b': {files: [x]}, taken: {files: ['*.xml']}}`, [
      file('a.xml', 'pass'),
    ]);
    store.refusal = new Refusal('INVALID_INPUT', 'the group takes coverage');
    await collectReports(run);
    const said = (await texts()).join('\n');
    expect(said).toContain('The report a b is not kept: expected a name of letters');
    expect(said).toContain('The report hello-taken is not kept: the group takes coverage');
  });

  it('lets a lost lease and a stop through', async () => {
    const lost = newRun(`${OFF}reports: {unit: {files: ['*.xml']}}`, [file('a.xml', 'pass')]);
    lost.store.refusal = new Fault('LEASE_LOST', 'gone');
    await expect(collectReports(lost.run)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(lost.store.open).toBe(0);
    const stopped = newRun(`${OFF}reports: {unit: {files: ['*.xml']}}`, [file('a.xml', 'pass')]);
    stopped.stop.abort(new Error('stop'));
    await expect(collectReports(stopped.run)).rejects.toThrow('stop');
    expect(stopped.store.open).toBe(0);
  });
});

describe('auto-discovery', () => {
  it('finds what the buildspec does not name, by format, and leaves other people’s folders alone', async () => {
    const { run, store, texts, entered } = newRun("reports: {unit: {files: ['a.xml']}}", [
      file('a.xml', 'pass'),
      file('b.xml', 'pass'),
      file('cov.xml', 'coverage'),
      file('pom.xml', 'nothing of ours'),
      file('image.png', 'pass'),
      file('broken.xml', 'broken'),
    ]);
    await collectReports(run);
    expect(store.saved.map(({ group, status, content }) => [group, status, content.tests?.total])).toEqual([
      ['hello-unit', 'SUCCEEDED', 1],
      ['hello-JUNITXML-AutoDiscovered', 'INCOMPLETE', 1],
      ['hello-COBERTURAXML-AutoDiscovered', 'SUCCEEDED', undefined],
    ]);
    expect(['node_modules', 'a/node_modules', '.git', 'src'].map((folder) => entered(folder))).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect(await texts()).toContain('Set report auto-discover timeout to 5 seconds');
    expect(store.open).toBe(0);
  });

  it('keeps no report of files that are all broken', async () => {
    const { run, store, texts } = newRun('', [file('a.xml', 'broken')]);
    await collectReports(run);
    expect(store.saved).toEqual([]);
    expect((await texts()).slice(-2)).toEqual([
      'No matching auto-discover report paths found',
      expect.stringMatching(/^Report auto-discover file discovery took \d\.\d{6} seconds$/),
    ]);
  });

  it('ends at its timeout with what it has found', async () => {
    const clock = new FakeClock();
    const slow = {
      ...file('b.xml', 'pass'),
      open: async () => {
        await clock.advance(6_000);
        return Readable.from([Buffer.from('pass')]);
      },
    };
    const { run, store, texts } = newRun('', [slow, file('c.xml', 'pass')], clock);
    await collectReports(run);
    expect(store.saved).toMatchObject([{ content: { tests: { total: 1 } } }]);
    expect(await texts()).toContain('Report auto-discover has reached its timeout; what is left is not looked at');
  });
});

/** Knows words in place of formats: a case for each `pass` and `fail`; `broken` is not taken, `deadly` ends the reader. */
class WordReader extends ReportReader {
  private readonly content: ReportContent;
  private lost = false;
  constructor(
    private readonly store: WordStore,
    format: ReportFormat,
  ) {
    super();
    this.content = nothingOf(format);
    store.open += 1;
  }
  async add(name: string, bytes: Buffer): Promise<string | null> {
    const words = bytes.toString().split(' ');
    if (words.includes('broken')) return 'it is broken';
    this.lost ||= words.includes('deadly');
    for (const word of words.filter((one) => one === 'pass' || one === 'fail')) {
      const status = word === 'pass' ? 'SUCCEEDED' : 'FAILED';
      const { message, caseName } = this.store;
      this.content.cases.push({ name: caseName, prefix: '', suite: '', status, durationNs: 1, message, file: name });
      this.content.tests!.total += 1;
      this.content.tests!.statusCounts[status] += 1;
    }
    return null;
  }
  async end(): Promise<ReportContent | null> {
    return this.lost ? null : this.content;
  }
  private closed = false;
  async close(): Promise<void> {
    if (!this.closed) this.store.open -= 1;
    this.closed = true;
  }
}

class WordStore extends ReportStore {
  readonly saved: NewReport[] = [];
  open = 0;
  refusal: Error | null = null;
  message = '';
  caseName = 'a';
  mayBeReport(path: string): boolean {
    return path.endsWith('.xml');
  }
  guessFormat(_path: string, bytes: Buffer): ReportFormat | null {
    const text = bytes.toString();
    if (text.includes('coverage')) return 'COBERTURAXML';
    return text.includes('nothing') ? null : 'JUNITXML';
  }
  read(format: ReportFormat): ReportReader {
    return new WordReader(this, format);
  }
  async save(report: NewReport): Promise<void> {
    if (this.refusal !== null) throw this.refusal;
    this.saved.push(report);
  }
}

function file(path: string, text: string): SandboxFile {
  const open = async (): Promise<Readable> => Readable.from([Buffer.from(text)]);
  return { path, type: 'file', mode: 0o644, sizeBytes: text.length, mtime: new Date(0), open };
}

function link(path: string, linkTarget: string): SandboxFile {
  return { ...unreadable(path), type: 'symlink', linkTarget };
}

function unreadable(path: string): SandboxFile {
  const open = async (): Promise<never> => {
    throw new Error('EACCES');
  };
  return { path, type: 'file', mode: 0, sizeBytes: 4, mtime: new Date(0), open };
}

/** A run whose commands are over, with these files in its source folder. */
function newRun(sections: string, files: SandboxFile[], clock = new FakeClock()) {
  const { buildspec } = parseBuildspec(`version: 0.2\nphases: {build: {commands: [x]}}\n${sections}\n`);
  const plan = compile(buildspec);
  const sink = new RecordingSink();
  const store = new WordStore();
  const stop = new AbortController();
  let choice: Partial<WalkChoice> = {};
  const log = new LogPipeline({ sink, clock });
  const run = {
    request: { build: { projectName: 'hello', settings: newProjectSettings() } },
    ports: { reports: store, clock },
    log,
    signal: stop.signal,
    sandbox: {
      files: (dir: string, signal: AbortSignal, asked = choice) => {
        choice = asked;
        const prefix = dir === '/src' ? '' : `${dir.slice('/src/'.length)}/`;
        return (async function* () {
          for (const one of files.filter(({ path }) => path.startsWith(prefix))) {
            signal.throwIfAborted();
            yield { ...one, path: one.path.slice(prefix.length) };
          }
        })();
      },
    },
    source: { plan, sourceDir: '/src', expansions: expansionTexts(plan), sealedVariables: new Set<string>() },
    script: { exported: new Map(), expanded: new Map() },
  };
  const texts = async (): Promise<string[]> => {
    await log.end();
    return sink.texts.map((text) => text.replace(/^\[Container\] \S+ \S+ /, ''));
  };
  return { run: run as unknown as BuildRun, store, stop, texts, entered: (folder: string) => choice.enters?.(folder) };
}
