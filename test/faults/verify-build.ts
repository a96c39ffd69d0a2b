// Proves one ended build: through the public API what its user sees, and against what the plan says it must have done.
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import yauzl from 'yauzl';
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import { isFinal } from '#core/phase.js';
import type { Expected } from './builds.js';
import type { Client } from './client.js';
import { ownOutput, ranTwice, wrongOutput } from './compare.js';
import { listed, type Findings } from './findings.js';
import type { RunningBuild } from './run-build.js';
import { faultOf, wrongAttempts } from './verify-attempts.js';
import { fetchLog, wrongReader, wrongSeal, type AttemptLog } from './verify-log.js';

/** Every property of one build is one finding. */
export async function verifyBuild(build: RunningBuild, client: Client, findings: Findings): Promise<void> {
  const { name, view, reader } = build;
  if (view === null || reader === null) return findings.note(`${name}: comes to its end`, standsAt(build));
  const expected = expectedOf(build, view);
  const check = (property: string, look: () => Promise<string | null> | string | null): Promise<void> =>
    findings.check(`${name}: ${property}`, look);
  let logs: AttemptLog[] = [];
  await check('its log can be read', async () => {
    logs = await Promise.all(view.attempts.map(({ attempt }) => fetchLog(client, build.id, attempt)));
    return logs.length > 0 ? null : 'it has no attempt';
  });
  const last = logs.pop();
  if (last === undefined) return;

  await check('ends as it should', () => wrongEnd(view, expected));
  await check('its phases ended in order', () => wrongPhases(view));
  await check('its output is whole, line by line', () => wrongOutput(expected, ownOutput(last.lines)));
  await check('its commands ran once', () => ranTwice(ownOutput(last.lines)));
  await check('its raw log is what its lines are, and what its seal says', () =>
    wrongSeal(view.log, last, { extent: expected.extent, whole: true }),
  );
  await check('its reader got each line once, through everything', () => wrongReader(reader, [...logs, last]));
  if (view.attempts.length > 1 || expected.killedAttempts > 0)
    await check('its earlier attempts are kept as they were', () => wrongAttempts(view, expected, [...logs, last]));
  if (expected.files.size > 0) await check('its artifacts are whole', () => wrongArtifacts(client, build.id, expected));
}

function standsAt({ id }: RunningBuild): string {
  return id === '' ? 'it was never started' : `${id} had not ended when the run's time was over`;
}

/** What a full disk did to a build that was under way meanwhile is told as such; all else ends as if there had been none. */
function expectedOf({ planned, mayHaveMetFullDisk }: RunningBuild, view: BuildView): Expected {
  const { expected } = planned;
  if (!mayHaveMetFullDisk) return expected;
  if (faultOf(view.phases) === 'STORAGE_FULL')
    return { ...expected, statuses: ['FAULT'], faultCode: 'STORAGE_FULL', extent: 'beginning', files: new Map() };
  const spent = view.attempts.some(({ phases }) => faultOf(phases ?? []) === 'STORAGE_FULL');
  // the attempt that was to follow the killed one followed this one
  return spent ? { ...expected, statuses: ['FAULT'], faultCode: 'SANDBOX_LOST', extent: 'beginning' } : expected;
}

function wrongEnd(view: BuildView, { statuses, faultCode }: Expected): string | null {
  const { id, buildStatus, attempt, phases } = view;
  if (!isFinal(buildStatus)) return `${id} is ${buildStatus}`;
  const why = phases.flatMap(({ contexts }) => contexts.map(({ message }) => message)).filter((text) => text !== '');
  const where = `${id} (attempt ${attempt})`;
  if (!statuses.includes(buildStatus))
    return `${where}: expected ${statuses.join(' or ')}, got ${buildStatus}: ${why.join('; ')}`;
  const fault = faultOf(phases);
  return faultCode === null || fault === faultCode
    ? null
    : `${where}: expected the fault ${faultCode}, got ${fault}: ${why.join('; ')}`;
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
