import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Build } from '#core/build.js';
import { COMPUTE_TYPES } from '#core/compute-type.js';
import { asBuildId, asWorkerId } from '#core/ids.js';
import { newProjectSettings } from '#testing/factories.js';
import { FakeClock } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import { FakeBackend } from '../backend/fake/fake-backend.js';
import type { Sandbox } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import { LogPipeline } from '../logs/pipeline.js';
import { Pauses } from '../pauses.js';
import { PhaseNotes } from '../phase-notes.js';
import type { BuildJournal } from '../ports.js';
import { downloadSource } from './download-source.js';

const buildId = asBuildId('0b6c1f8e-7f2f-4c0a-9a43-3a1f0c1d2e3f');
const build: Build = {
  id: buildId,
  projectId: null,
  projectName: 'hello',
  number: 1,
  status: 'IN_PROGRESS',
  currentPhase: 'DOWNLOAD_SOURCE',
  phases: [],
  attempt: 1,
  attempts: [],
  workerId: asWorkerId('host-00000001'),
  initiator: 'someone',
  sourceVersion: null,
  resolvedSourceVersion: null,
  settings: newProjectSettings(),
  exportedVariables: [],
  imageDigest: null,
  cache: null,
  cacheScope: null,
  paused: null,
  queuedAt: new Date(0),
  requeuedAt: null,
  handedOver: false,
  startedAt: new Date(0),
  endedAt: null,
  stopRequestedAt: null,
  logSeal: null,
  logExpiredAt: null,
  logArchived: false,
  reportIds: [],
  batch: null,
  retryOf: null,
  version: 1,
};

describe('downloadSource', () => {
  let folder: string;
  let backend: FakeBackend;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'download-source-'));
    backend = new FakeBackend(folder);
  });

  afterEach(async () => {
    await backend.clear();
    await rm(folder, { recursive: true, force: true });
  });

  it('tells that the phase is complete before the first line of the script, and stamps it before the script ran', async () => {
    const clock = new FakeClock('2026-01-02T03:04:05.006Z');
    const sink = new RecordingSink();
    const sandbox = await newSandbox();
    startTakesSeconds(sandbox, clock, 3);
    const run = newRun(sandbox, sink, clock);

    await expect(downloadSource(run)).resolves.toEqual({ kind: 'succeeded' });
    await run.script!.end(run.signal);
    await run.outputRead;
    await run.log.end();

    const complete = sink.texts.findIndex((text) => text.includes('Phase complete: DOWNLOAD_SOURCE'));
    expect(sink.texts[complete]).toBe(
      '[Container] 2026/01/02 03:04:05.006000 Phase complete: DOWNLOAD_SOURCE State: SUCCEEDED',
    );
    expect(sink.texts[complete + 1]).toMatch(/05\.006000 Phase context status code: {2}Message: $/);
    expect(sink.texts[complete + 2]).toMatch(/Entering phase INSTALL$/);
  });

  async function newSandbox(): Promise<Sandbox> {
    const image = { id: 'fake:any', digest: 'fake:any@sha256:fake' };
    const lease = { buildId, attempt: 1, workerId: asWorkerId('host-00000001') };
    const limits = COMPUTE_TYPES.BUILD_GENERAL1_SMALL;
    return backend.create({ ...lease, projectName: 'hello', image, limits, privileged: false });
  }
});

/** By the time that start returns, the script has run for a while and has written its first lines. */
function startTakesSeconds(sandbox: Sandbox, clock: FakeClock, seconds: number): void {
  const start = sandbox.start.bind(sandbox);
  sandbox.start = async (script) => {
    await start(script);
    await sandbox.wait();
    await clock.advance(seconds * 1000);
  };
}

function newRun(sandbox: Sandbox, sink: RecordingSink, clock: FakeClock): BuildRun {
  const unused = (): never => {
    throw new Error('not expected to be used here');
  };
  const journal: BuildJournal = {
    apply: unused,
    applyAll: unused,
    handingOver: async () => undefined,
    setResolvedSource: unused,
    setImage: unused,
    setExportedVariables: unused,
    setCache: unused,
    setBatchPlan: unused,
    setPaused: unused,
    setResumed: unused,
    addArtifact: unused,
  };
  const request: BuildRun['request'] = {
    build,
    lease: { buildId, attempt: 1, workerId: asWorkerId('host-00000001') },
    deadline: new Date(clock.now().getTime() + 60_000),
    workerName: 'host',
    buildUrl: '',
    privilegedAllowed: false,
    logLimits: {},
    diskCheckMs: 10_000,
    adopted: null,
    leaseHeld: () => true,
  };
  const ports: BuildRun['ports'] = {
    backend: {
      prepareImage: unused,
      create: unused,
      adopt: unused,
      health: unused,
      answers: unused,
      disks: unused,
      sweep: unused,
      close: unused,
    },
    source: { fetch: unused, readFile: unused },
    secrets: { parameter: unused, secret: unused },
    journal,
    log: sink,
    recordSeal: { seal: (text) => Buffer.from(text), open: (sealed) => sealed.toString() },
    artifacts: { save: unused },
    cache: null,
    clock,
    observer: {},
  };
  return {
    request,
    ports,
    log: new LogPipeline({ sink, clock }),
    signal: neverAborted(),
    ending: neverAborted(),
    fail: unused,
    notes: new PhaseNotes(journal, unused),
    pauses: new Pauses({ request, ports, fail: unused, sandbox: unused }),
    sandbox,
    source: null,
    script: null,
    outputRead: null,
    outputLost: false,
    lost: null,
    diskExceeded: null,
    cacheUse: null,
  };
}

function neverAborted(): AbortSignal {
  return new AbortController().signal;
}
