// Proves one ended build: through the public API what its user sees, and against what the plan says it must have done.
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import yauzl from 'yauzl';
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import { isFinal } from '#core/phase.js';
import type { ReceivedLine } from '#testing/read-events.js';
import type { Expected } from './builds.js';
import type { Client } from './client.js';
import { bytesOf, ownOutput, ranTwice, wrongOutput, wrongReading } from './compare.js';
import { listed, type Findings } from './findings.js';
import type { RunningBuild } from './run-build.js';

const PAGE = 10_000;

/** Every property of one build is one finding. */
export async function verifyBuild(build: RunningBuild, client: Client, findings: Findings): Promise<void> {
  const { name, view, reader, planned } = build;
  if (view === null || reader === null) return findings.note(`${name}: comes to its end`, standsAt(build));
  const expected = expectedOf(build);
  const check = (property: string, look: () => Promise<string | null> | string | null): Promise<void> =>
    findings.check(`${name}: ${property}`, look);
  const lines = await allLines(client, build.id).catch(() => []);
  const output = ownOutput(lines);

  await check('ends as it should', () => wrongStatus(view, expected));
  await check('its phases ended in order', () => wrongPhases(view));
  await check('its output is whole, line by line', () => wrongOutput(expected, output));
  await check('its commands ran once', () => ranTwice(output));
  await check('its raw log is what its lines are, and what its seal says', async () =>
    wrongSeal(view, expected, lines, (await client.ask('GET', `/v1/builds/${build.id}/log/raw`)).body),
  );
  await check('its reader got each line once, through everything', () =>
    reader.end?.lineCount === lines.length
      ? wrongReading(lines, reader.lines)
      : `the stream ended with ${reader.end?.lineCount} lines, the log has ${lines.length}`,
  );
  if (planned.expected.files.size > 0)
    await check('its artifacts are whole', () => wrongArtifacts(client, build.id, expected));
}

function standsAt({ id }: RunningBuild): string {
  return id === '' ? 'it was never started' : `${id} had not ended when the run's time was over`;
}

/** A victim whose container nobody hit ends as if there had been no fault. */
function expectedOf({ planned, containerKilled }: RunningBuild): Expected {
  const { expected, kind } = planned;
  if (kind !== 'victim' || containerKilled === 'yes') return expected;
  if (containerKilled === 'perhaps') return { ...expected, statuses: ['FAULT', 'SUCCEEDED'] };
  return { ...expected, statuses: ['SUCCEEDED'], extent: 'whole' };
}

function wrongStatus({ id, buildStatus, attempt, phases }: BuildView, { statuses }: Expected): string | null {
  if (!isFinal(buildStatus)) return `${id} is ${buildStatus}`;
  if (statuses.includes(buildStatus)) return null;
  const why = phases.flatMap(({ contexts }) => contexts.map(({ message }) => message)).filter((text) => text !== '');
  return `${id} (attempt ${attempt}): expected ${statuses.join(' or ')}, got ${buildStatus}: ${why.join('; ')}`;
}

function wrongPhases({ phases }: BuildView): string | null {
  const wrongs = phases.flatMap(({ phaseType, phaseStatus, endTime }, index) => {
    const last = index === phases.length - 1;
    if (last) return phaseType === 'COMPLETED' ? [] : [`the last phase is ${phaseType}`];
    return endTime === undefined || phaseStatus === undefined ? [`${phaseType} has no end`] : [];
  });
  const starts = phases.map(({ startTime }) => Date.parse(startTime));
  if (starts.some((start, index) => index > 0 && start < starts[index - 1]!))
    wrongs.push('a phase began before the last');
  return listed(wrongs);
}

/** Every line by pages, as a program would fetch it. */
async function allLines(client: Client, id: string): Promise<ReceivedLine[]> {
  const lines: ReceivedLine[] = [];
  for (let cursor: string | null = '0'; cursor !== null;) {
    const path: string = `/v1/builds/${id}/log?limit=${PAGE}&cursor=${cursor}`;
    const page: { lines: ReceivedLine[]; nextCursor: string | null } = await client.json('GET', path);
    lines.push(...page.lines);
    cursor = page.lines.length === 0 ? null : page.nextCursor;
  }
  return lines;
}

function wrongSeal(view: BuildView, { extent }: Expected, lines: ReceivedLine[], raw: Buffer): string | null {
  const sha256 = createHash('sha256').update(raw).digest('hex');
  const wrongs: string[] = [];
  const expect = (what: string, want: unknown, got: unknown): void => {
    if (want !== got) wrongs.push(`${what}: expected ${String(want)}, got ${String(got)}`);
  };
  if (extent !== 'any') {
    expect('complete', true, view.log.complete);
    if (!raw.equals(bytesOf(lines))) wrongs.push(`the raw log (${raw.length} bytes) is not what its lines are`);
  }
  expect('line count', lines.length, view.log.lineCount);
  expect('byte count', raw.length, view.log.byteCount);
  expect('SHA-256', sha256, view.log.sha256);
  return listed(wrongs);
}

async function wrongArtifacts(client: Client, id: string, { files }: Expected): Promise<string | null> {
  const { items } = await client.json<{ items: { sha256: string | null; sizeBytes: number; downloadUrl: string }[] }>(
    'GET',
    `/v1/builds/${id}/artifacts`,
  );
  const [artifact] = items;
  if (artifact === undefined || items.length !== 1) return `expected one artifact, got ${items.length}`;
  const { body } = await client.ask('GET', artifact.downloadUrl);
  const sha256 = createHash('sha256').update(body).digest('hex');
  if (sha256 !== artifact.sha256) return `expected SHA-256 ${artifact.sha256}, got ${sha256}`;
  const found = await unzipped(body);
  const names = [...new Set([...files.keys(), ...found.keys()])];
  return listed(names.filter((name) => found.get(name) !== files.get(name)).map((name) => `${name} is not as made`));
}

async function unzipped(zip: Buffer): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const archive = await yauzl.fromBufferPromise(zip);
  for await (const entry of archive.eachEntry()) {
    if (!entry.fileName.endsWith('/'))
      files.set(entry.fileName, (await buffer(await archive.openReadStreamPromise(entry))).toString());
  }
  return files;
}
