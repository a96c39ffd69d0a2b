// The reader against a real thread, compiled: files that take its memory or its time take nothing else.
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { nothingOf, type ReportFormat } from '#core/report.js';
import { FakeClock } from '#testing/fake-clock.js';
import { ThreadReader, Turns, type ThreadReaderOptions } from './thread-reader.js';

jest.setTimeout(60_000);

const ENTRY = new URL('../../../../dist/apps/worker/src/reports/report-thread.js', import.meta.url);
const open: ThreadReader[] = [];

afterEach(async () => {
  for (const reader of open.splice(0)) await reader.close();
});

describe('ThreadReader', () => {
  it('reads file by file, and tells which are not taken', async () => {
    const reader = newReader('JUNITXML');
    expect(await reader.add('a.xml', Buffer.from('<testsuite><testcase name="a"/></testsuite>'))).toBeNull();
    expect(await reader.add('b.xml', Buffer.from('<testsuite>'))).toContain('not well-formed XML');
    expect(await reader.add('c.xml', Buffer.from('<testsuite><testcase name="c"/></testsuite>'))).toBeNull();
    const content = await reader.end();
    expect(content?.cases.map(({ name, file }) => [name, file])).toEqual([
      ['a', 'a.xml'],
      ['c', 'c.xml'],
    ]);
  });

  it('loses what it has read, and nothing else, with a file that takes all its memory', async () => {
    const reader = newReader('CUCUMBERJSON', { maxHeapMb: 16 });
    expect(await reader.add('a.json', Buffer.from('[]'))).toBeNull();
    const refused = await reader.add('b.json', Buffer.from(`[${'[{}],'.repeat(4_000_000)}[]]`));
    expect(refused).toBe('expected to be read in 16 MiB of memory, took more');
    expect(await reader.add('c.json', Buffer.from('[]'))).toContain(
      'its reader has ended before: expected to be read in 16 MiB',
    );
    expect(await reader.end()).toBeNull();
  });

  it('ends a thread that takes too long', async () => {
    const clock = new FakeClock();
    const reader = newReader('LCOV', { clock, readMs: 1_000 });
    const lines = Buffer.from(`SF:a\n${'DA:1,1\n'.repeat(2_000_000)}end_of_record\n`);
    const added = reader.add('a.info', lines);
    await clock.advance(1_000);
    expect(await added).toBe('expected to be read within 1 s, took longer');
    expect(await reader.end()).toBeNull();
    expect(clock.sleeping).toBe(0);
  });

  it('has nothing to say of no files, and needs no thread for it', async () => {
    const reader = newReader('LCOV', { entry: new URL('./nothing-here.js', ENTRY) });
    expect(await reader.end()).toEqual(nothingOf('LCOV'));
  });

  it('gives up when the build is ended', async () => {
    const stop = new AbortController();
    const reader = newReader('JUNITXML', { signal: stop.signal });
    expect(await reader.add('a.xml', Buffer.from('<testsuite/>'))).toBeNull();
    stop.abort(new Error('stop'));
    expect(await reader.add('b.xml', Buffer.from('<testsuite/>'))).toBe('the build was ended');
    expect(await reader.end()).toBeNull();
  });

  it('says what is wrong with a thread that cannot start', async () => {
    const reader = newReader('JUNITXML', { entry: new URL('./nothing-here.js', ENTRY) });
    expect(await reader.add('a.xml', Buffer.from('<testsuite/>'))).toContain('its reader failed');
    expect(await reader.end()).toBeNull();
  });
});

function newReader(format: ReportFormat, over: Partial<ThreadReaderOptions> = {}): ThreadReader {
  const reader = new ThreadReader({
    entry: ENTRY,
    format,
    limits: { cases: 10, files: 10 },
    clock: new FakeClock(),
    turns: new Turns(),
    signal: new AbortController().signal,
    ...over,
  });
  open.push(reader);
  return reader;
}
