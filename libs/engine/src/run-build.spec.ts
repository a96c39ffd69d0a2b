// Whole runs on the fake backend, with ports that remember: what is written in which order, and what happens when a port fails.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, type Hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Artifact, Build } from '#core/build.js';
import { Clock } from '#core/clock.js';
import { linesOf } from '#core/chunk-codec.js';
import { Fault, Interrupt, PhaseFailure } from '#core/errors.js';
import { asBuildId, asProjectId, asWorkerId } from '#core/ids.js';
import type { LogChunk, LogSeal, StoredLog } from '#core/log-line.js';
import { isFinal, type PhaseContext } from '#core/phase.js';
import type { ProjectSettings } from '#core/project.js';
import { transition, type BuildState, type TransitionEvent } from '#core/transitions.js';
import { FakeBackend } from './backend/fake/fake-backend.js';
import type { BuildRequest } from './build-run.js';
import { ArtifactStore, BuildJournal, LogSink, SecretResolver, SourceFetcher, type RunPorts } from './ports.js';
import { runBuild } from './run-build.js';

class RealClock extends Clock {
  now(): Date {
    return new Date();
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await sleep(ms, undefined, { signal, ref: false }).catch((error: unknown) => {
      throw signal?.aborted === true ? signal.reason : error;
    });
  }
}

/** Everything that a run wrote, in order. */
class Notebook extends BuildJournal {
  readonly written: string[] = [];
  readonly contexts: PhaseContext[] = [];
  readonly artifacts: Artifact[] = [];
  state: BuildState = { status: 'IN_PROGRESS', phase: 'PROVISIONING', failing: false };
  since = new Date();
  failHandOver: Error | null = null;
  /** The project grants another attempt. */
  retries = false;
  failApply: ((phase: string) => Error | null) | null = null;
  onPhase: ((phase: string) => void) | null = null;
  /** Awaited before the end of each phase is written. */
  hold: ((phase: string) => Promise<void>) | null = null;

  async apply(event: TransitionEvent, contexts: PhaseContext[]): Promise<BuildState> {
    await this.hold?.(this.state.phase);
    const failure = this.failApply?.(this.state.phase);
    if (failure) throw failure;
    this.written.push(`${this.state.phase} ${event}`);
    this.contexts.push(...contexts.filter(({ statusCode, message }) => statusCode !== '' || message !== ''));
    const next = transition(this.state, event);
    this.state = this.retries && isFinal(next.status) ? transition(this.state, 'RETRY') : next;
    this.since = new Date();
    this.onPhase?.(this.state.phase);
    return this.state;
  }
  override async handingOver(): Promise<void> {
    if (this.failHandOver !== null) throw this.failHandOver;
  }
  async setResolvedSource(): Promise<void> {}
  async setImage(): Promise<void> {}
  async setExportedVariables(variables: { name: string; value: string }[]): Promise<void> {
    this.written.push(`exported ${JSON.stringify(variables)}`);
  }
  async setCache(): Promise<void> {}
  async addArtifact(artifact: Artifact): Promise<void> {
    this.artifacts.push(artifact);
  }
}

class Sink extends LogSink {
  readonly chunks: LogChunk[] = [];
  fail: Error | null = null;
  onSeal: (() => void) | null = null;
  private sealed = false;
  constructor(private readonly notebook: Notebook) {
    super();
  }
  async append(chunks: readonly LogChunk[]): Promise<void> {
    if (this.fail) throw this.fail;
    if (this.sealed) throw new Error('expected no append after the seal');
    for (const chunk of chunks) this.chunks.push({ ...chunk, bytes: Buffer.from(chunk.bytes) });
  }
  async seal(seal: LogSeal): Promise<void> {
    if (this.sealed) throw new Error('expected one seal');
    const end = (await this.stored()).stored;
    expect([seal.lineCount, seal.byteCount]).toEqual([end.seq, end.byte]);
    this.notebook.written.push(seal.cut === true ? 'sealed as cut' : `sealed ${seal.lineCount}`);
    this.sealed = true;
    this.onSeal?.();
  }
  async stored(): Promise<{ stored: StoredLog; hash: Hash; sealed: boolean }> {
    const hash = createHash('sha256');
    for (const { bytes } of this.chunks) hash.update(bytes);
    const { sealed } = this;
    const last = this.chunks.at(-1);
    if (last === undefined) return { stored: { seq: 0, byte: 0, open: null, source: null }, hash, sealed };
    const end = { seq: last.firstSeq + last.lineCount, byte: last.firstByte + last.bytes.length };
    const open = last.openLines.at(-1) === last.lineCount - 1 ? last.runs.at(-1)!.stream : null;
    return { stored: { ...end, open, source: last.source ?? null }, hash, sealed };
  }
  get text(): string {
    return this.chunks
      .flatMap((chunk) => linesOf(chunk))
      .map((line) => `${line.text}\n`)
      .join('');
  }
}

class Files extends SourceFetcher {
  constructor(private readonly files: Record<string, string>) {
    super();
  }
  async fetch({ into }: { into: string }): Promise<{ resolvedVersion: string }> {
    for (const [name, text] of Object.entries(this.files)) await writeFile(join(into, name), text);
    return { resolvedVersion: 'c0ffee' };
  }
  async readFile(_root: string, path: string): Promise<Buffer | null> {
    const text = this.files[path];
    return text === undefined ? null : Buffer.from(text);
  }
}

class Vault extends SecretResolver {
  async parameter(name: string): Promise<string> {
    if (name === 'absent') throw new PhaseFailure('CLIENT_ERROR', 'Parameter does not exist: absent');
    return 'pa55w0rd';
  }
  async secret(): Promise<string> {
    return 'tok3n-tok3n';
  }
}

class Shelf extends ArtifactStore {
  readonly stored: Record<string, string> = {};
  async save(request: Parameters<ArtifactStore['save']>[0]): Promise<Artifact> {
    let fileCount = 0;
    for await (const { name, file } of request.files) {
      let text = '';
      for await (const piece of await file.open()) text += String(piece);
      this.stored[name] = text;
      fileCount += 1;
    }
    const { identifier, name, packaging } = request;
    return { identifier, name, packaging, fileCount, sizeBytes: 0, location: 'x', createdAt: new Date() };
  }
}

describe('a run', () => {
  let dir: string;
  let backend: FakeBackend;
  let notebook: Notebook;
  let sink: Sink;
  let shelf: Shelf;
  const bugs: unknown[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kilnyard-run-'));
    backend = new FakeBackend(dir);
    notebook = new Notebook();
    sink = new Sink(notebook);
    shelf = new Shelf();
    bugs.length = 0;
  });
  afterEach(async () => {
    expect(backend.sandboxes.size).toBe(0);
    await rm(dir, { recursive: true, force: true });
  });

  const variable = (name: string, type: 'PARAMETER_STORE' | 'SECRETS_MANAGER', value = name) => ({ name, value, type });

  function request(
    over: {
      settings?: Partial<ProjectSettings>;
      deadline?: Date;
      image?: string;
      adopted?: BuildRequest['adopted'];
    } = {},
  ): BuildRequest {
    const settings: ProjectSettings = {
      source: { type: 'GIT', location: 'https://git.example/a.git' },
      secondarySources: [],
      secondarySourceVersions: [],
      artifacts: { type: 'S3', packaging: 'ZIP' },
      secondaryArtifacts: [],
      cache: { type: 'NO_CACHE' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: over.image ?? 'fake:1',
        computeType: 'BUILD_GENERAL1_SMALL',
        environmentVariables: [],
        privilegedMode: false,
      },
      timeoutInMinutes: 60,
      queuedTimeoutInMinutes: 480,
      tags: [],
      priority: 0,
      ...over.settings,
    };
    const id = asBuildId('11111111-2222-4333-8444-555555555555');
    const build = {
      id,
      projectId: asProjectId(id),
      projectName: 'demo',
      number: 1,
      settings,
      initiator: 'me',
      sourceVersion: null,
      queuedAt: new Date(),
      startedAt: new Date(),
    } as unknown as Build;
    return {
      build,
      lease: { buildId: id, attempt: 1, workerId: asWorkerId('w') },
      deadline: over.deadline ?? new Date(Date.now() + 60_000),
      workerName: 'w',
      buildUrl: 'http://kilnyard.example/b',
      privilegedAllowed: false,
      logLimits: {},
      diskCheckMs: 60_000,
      adopted: over.adopted ?? null,
      leaseHeld: () => true,
    };
  }

  function ports(files: Record<string, string>): RunPorts {
    return {
      backend,
      source: new Files(files),
      secrets: new Vault(),
      journal: notebook,
      log: sink,
      recordSeal: {
        seal: (text) => Buffer.from(Buffer.from(text).toString('base64')),
        open: (sealed) => Buffer.from(sealed.toString(), 'base64').toString(),
      },
      artifacts: shelf,
      cache: null,
      clock: new RealClock(),
      observer: { bug: (error) => bugs.push(error) },
    };
  }

  const spec = (build: string[], more = ''): Record<string, string> => ({
    'buildspec.yml': `version: 0.2\nphases:\n  build:\n    commands:\n${build.map((line) => `      - ${JSON.stringify(line)}\n`).join('')}${more}`,
  });
  const run = (
    files: Record<string, string>,
    over: Parameters<typeof request>[0] = {},
    signal = new AbortController().signal,
  ) => runBuild(request(over), ports(files), signal);

  /** All that was written but the seal, which comes before the last of it: beside the phases that are over by then, in no order with them. */
  function behindItsSeal(): string[] {
    const seals = notebook.written.flatMap((what, at) => (what.startsWith('sealed') ? [at] : []));
    expect(seals).toHaveLength(1);
    expect(seals[0]).toBeLessThan(notebook.written.length - 1);
    return notebook.written.filter((_, at) => at !== seals[0]);
  }

  it('goes through every phase and seals the log before the status', async () => {
    let whenSealed = '';
    sink.onSeal = () => (whenSealed = sink.text);
    expect(await run(spec(['echo hello']))).toBe('SUCCEEDED');
    expect(behindItsSeal()).toEqual([
      'PROVISIONING SUCCEED',
      'DOWNLOAD_SOURCE SUCCEED',
      'INSTALL SUCCEED',
      'PRE_BUILD SUCCEED',
      'BUILD SUCCEED',
      'POST_BUILD SUCCEED',
      'UPLOAD_ARTIFACTS SUCCEED',
      'FINALIZING SUCCEED',
    ]);
    expect(whenSealed).toContain('\nhello\n');
    expect(sink.text).toBe(whenSealed);
  }, 30_000);

  it('stores artifacts whose names the commands decide, and exported variables', async () => {
    const more = 'env:\n  exported-variables: [TAG]\nartifacts:\n  base-directory: out-$TAG\n  files: ["**/*"]\n';
    expect(await run(spec(['TAG=v1; mkdir -p out-v1/d; echo x >out-v1/d/f'], more))).toBe('SUCCEEDED');
    expect(shelf.stored).toEqual({ 'd/f': 'x\n' });
    expect(notebook.written).toContain('exported [{"name":"TAG","value":"v1"}]');
    expect(notebook.artifacts).toMatchObject([{ name: 'demo', fileCount: 1 }]);
  }, 30_000);

  it('masks secrets, wherever they come from', async () => {
    const more = 'env:\n  parameter-store:\n    FROM_SPEC: some-name\n';
    const environment = {
      ...request().build.settings.environment,
      environmentVariables: [variable('FROM_PROJECT', 'SECRETS_MANAGER')],
    };
    expect(await run(spec(['echo "<$FROM_SPEC> <$FROM_PROJECT>"'], more), { settings: { environment } })).toBe(
      'SUCCEEDED',
    );
    expect(sink.text).toContain('\n<***> <***>\n');
    expect(sink.text).not.toMatch(/pa55w0rd|tok3n/);
  }, 30_000);

  it.each([
    [
      'a missing image',
      { image: 'fake:missing' },
      ['echo'],
      'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
      ['PROVISIONING FAIL'],
    ],
    [
      'an image without a shell',
      { image: 'fake:unusable' },
      ['echo'],
      'BUILD_CONTAINER_UNUSABLE',
      ['PROVISIONING FAIL'],
    ],
    [
      'a failing command',
      {},
      ['exit 3'],
      'COMMAND_EXECUTION_ERROR',
      ['BUILD FAIL', 'POST_BUILD SUCCEED', 'UPLOAD_ARTIFACTS SUCCEED', 'FINALIZING SUCCEED'],
    ],
    [
      'a command that ends the whole container',
      {},
      ['kill -9 $PPID'],
      'COMMAND_EXECUTION_ERROR',
      ['BUILD FAIL_ABORT', 'FINALIZING SUCCEED'],
    ],
  ])(
    'FAILS for %s',
    async (_, over, commands, code, last) => {
      expect(await run(spec(commands), over)).toBe('FAILED');
      expect(notebook.contexts[0]?.statusCode).toBe(code);
      expect(notebook.written.filter((line) => !line.startsWith('sealed')).slice(-last.length)).toEqual(last);
    },
    30_000,
  );

  it.each([
    ['absent', {}, 'stat '],
    ['broken', { 'buildspec.yml': 'version: 0.2\nphases: [1]\n' }, 'phases'],
    ['not YAML', { 'buildspec.yml': 'a: [' }, ''],
  ])(
    'FAILS in DOWNLOAD_SOURCE for a buildspec that is %s',
    async (_, files, message) => {
      expect(await run(files)).toBe('FAILED');
      expect(notebook.contexts[0]).toMatchObject({
        statusCode: 'YAML_FILE_ERROR',
        message: expect.stringContaining(message),
      });
      expect(notebook.written.at(-1)).toBe('FINALIZING SUCCEED');
    },
    30_000,
  );

  it('says what is odd in a buildspec as CodeBuild does, and goes on', async () => {
    expect(await run(spec(['echo'], 'cach: {}\nproxy:\n  logs: yes\n  log: yes\n'))).toBe('SUCCEEDED');
    const said = sink.text.split('\n').map((line) => line.replace(/^\[Container\] \S+ \S+ /, ''));
    const from = said.indexOf('Found possible syntax errors in buildspec:');
    expect(said.slice(from + 1, from + 10)).toEqual([
      'In the section buildspec',
      '\tThe following keys cannot be identified:',
      '\t\tcach',
      'In the section proxy',
      '\tThe following keys cannot be identified:',
      '\t\tlog',
      'Did you mean cache instead of cach?',
      'Did you mean logs instead of proxy.log?',
      expect.stringMatching(/^Warning: proxy: expected no \(.*at line \d+, column \d+$/),
    ]);
  }, 30_000);

  it('FAILS in DOWNLOAD_SOURCE for a parameter that does not exist', async () => {
    expect(await run(spec(['echo'], 'env:\n  parameter-store:\n    A: absent\n'))).toBe('FAILED');
    expect(notebook.contexts[0]).toEqual({ statusCode: 'CLIENT_ERROR', message: 'Parameter does not exist: absent' });
  }, 30_000);

  it('FAILS in UPLOAD_ARTIFACTS when nothing matches', async () => {
    expect(await run(spec(['echo'], 'artifacts:\n  files: [nothing/*]\n'))).toBe('FAILED');
    expect(notebook.contexts[0]).toEqual({ statusCode: 'CLIENT_ERROR', message: 'no matching artifact paths found' });
    expect(sink.text).toContain('Skipping invalid file path nothing/*');
  }, 30_000);

  it('ends on a stop while a command runs', async () => {
    const interrupt = new AbortController();
    notebook.onPhase = (phase) => {
      if (phase === 'BUILD') setTimeout(() => interrupt.abort(new Interrupt('stop')), 100);
    };
    expect(await run(spec(['echo up; sleep 600']), {}, interrupt.signal)).toBe('STOPPED');
    expect(notebook.written.at(-1)).toBe('BUILD STOP');
    expect(notebook.written.at(-2)).toMatch(/^sealed/);
  }, 30_000);

  describe('that passes to another worker', () => {
    /** The first worker is told to leave (or fails, as one that is killed) at a phase; out: what its run came to. */
    async function leaveAt(phase: string, files: Record<string, string>, how: 'drain' | 'killed', over = {}) {
      const interrupt = new AbortController();
      if (how === 'drain') {
        notebook.onPhase = (now) => {
          if (now === phase) setTimeout(() => interrupt.abort(new Interrupt('drain')), 150);
        };
      } else {
        // from here on nothing of this worker reaches anybody
        notebook.failApply = (now) => {
          if (now !== phase) return null;
          sink.fail = new Fault('LEASE_LOST', 'killed');
          return new Fault('LEASE_LOST', 'killed');
        };
      }
      const end = await run(files, over, interrupt.signal).catch((error: Fault) => error.code);
      notebook.onPhase = null;
      notebook.failApply = null;
      sink.fail = null;
      return end;
    }
    const adopted = () => ({ adopted: { state: notebook.state, since: notebook.since } });
    const countingLines =
      'i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo "line $i of pa55w0rd"; sleep 0.005; done; printf half; sleep 0.3; echo " a line"';
    const lines = [...Array.from({ length: 200 }, (_, index) => `line ${index + 1} of ***`), 'half a line'];
    const secret =
      'env:\n  exported-variables: [DONE]\n  parameter-store:\n    HIDDEN: some-name\nartifacts:\n  files: [made]\n';
    const output = () =>
      sink.chunks
        .flatMap((chunk) => linesOf(chunk))
        .filter(({ stream }) => stream !== 'system')
        .map(({ text, continues }) => (continues ? text : `${text}\n`))
        .join('');

    it.each([
      ['handed over in the middle of a command', 'BUILD', 'drain', 'HANDED_OVER'],
      ['left by a worker that was killed before it heard of a phase', 'PRE_BUILD', 'killed', 'LEASE_LOST'],
      [
        'left by a worker that was killed right after it had handed the script over',
        'DOWNLOAD_SOURCE',
        'killed',
        'LEASE_LOST',
      ],
      ['left by a worker that was killed before it heard of the last command', 'POST_BUILD', 'killed', 'LEASE_LOST'],
      ['left by a worker that was killed with the artifacts stored', 'UPLOAD_ARTIFACTS', 'killed', 'LEASE_LOST'],
      ['left by a worker that was killed at the very end', 'FINALIZING', 'killed', 'LEASE_LOST'],
    ] as const)(
      'goes on when %s, with its log whole',
      async (_, phase, how, end) => {
        const files = spec([countingLines, 'DONE=yes; echo x >made'], secret);
        expect(await leaveAt(phase, files, how)).toBe(end);
        expect(notebook.state.phase).toBe(phase);
        expect(backend.sandboxes.size).toBe(1);
        // the workspace is the build's own: what is needed of it was kept
        expect(await run({}, adopted())).toBe('SUCCEEDED');
        expect(output()).toBe(lines.map((line) => `${line}\n`).join(''));
        expect(shelf.stored).toEqual({ made: 'x\n' });
        expect(notebook.written).toContain('exported [{"name":"DONE","value":"yes"}]');
        expect(notebook.written.filter((line) => line.endsWith('SUCCEED'))).toHaveLength(8);
        expect(bugs).toEqual([]);
      },
      30_000,
    );

    it.each<[string, string | null]>([
      ['all but the status written', null],
      ['no word of its phases written', 'INSTALL'],
    ])(
      'goes on when its worker was killed right behind the seal, with %s: nothing is added to a sealed log',
      async (_, from) => {
        const killed = new Fault('LEASE_LOST', 'killed');
        const dead = new Promise<never>((_resolve, reject) => {
          sink.onSeal = () => {
            sink.fail = killed;
            reject(killed);
          };
        });
        dead.catch(() => undefined); // heard where it is held
        notebook.hold = async (phase) => {
          if (phase === (from ?? 'FINALIZING')) await dead;
        };
        const files = spec([countingLines, 'DONE=yes; echo x >made'], secret);
        await expect(run(files)).rejects.toBe(killed);
        expect(notebook.state.phase).toBe(from ?? 'FINALIZING');
        const sealed = sink.text;
        notebook.hold = null;
        expect(await run({}, adopted())).toBe('SUCCEEDED');
        expect(sink.text).toBe(sealed);
        expect(output()).toBe(lines.map((line) => `${line}\n`).join(''));
        expect(shelf.stored).toEqual({ made: 'x\n' });
        expect(behindItsSeal().filter((line) => line.endsWith('SUCCEED'))).toHaveLength(8);
        expect(bugs).toEqual([]);
      },
      30_000,
    );

    it('is given back when no command has run, and its sandbox goes', async () => {
      const interrupt = new AbortController();
      setTimeout(() => interrupt.abort(new Interrupt('drain')), 150);
      expect(await run(spec(['echo never']), { image: 'fake:slow-pull' }, interrupt.signal)).toBe('NOT_STARTED');
      expect(notebook.written).toEqual([expect.stringMatching(/^sealed/)]);
    }, 30_000);

    it('is given back when its worker died before the script was handed over', async () => {
      notebook.failApply = () => new Fault('LEASE_LOST', 'killed');
      await expect(run(spec(['echo never']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
      notebook.failApply = null;
      expect(backend.sandboxes.size).toBe(1);
      expect(await run({}, adopted())).toBe('NOT_STARTED');
      expect(output()).toBe('');
    }, 30_000);

    it('ends FAULT when its sandbox is gone, and its log says that it is cut', async () => {
      expect(await leaveAt('BUILD', spec(['echo up; sleep 600']), 'drain')).toBe('HANDED_OVER');
      await backend.clear();
      expect(await run({}, adopted())).toBe('FAULT');
      expect(notebook.contexts[0]?.message).toBe('The build container is gone; its worker was lost before');
      expect(notebook.written.slice(-2)).toEqual(['sealed as cut', 'BUILD FAULT']);
    }, 30_000);

    it('waits for an engine that is away when it is taken up', async () => {
      const files = spec([countingLines, 'DONE=yes; echo x >made'], secret);
      expect(await leaveAt('BUILD', files, 'drain')).toBe('HANDED_OVER');
      backend.healthy = false;
      setTimeout(() => (backend.healthy = true), 1_200);
      expect(await run({}, adopted())).toBe('SUCCEEDED');
      expect(output()).toBe(lines.map((line) => `${line}\n`).join(''));
    }, 30_000);

    it('is left for the next worker when this one must leave before the engine is back', async () => {
      expect(await leaveAt('BUILD', spec(['echo up; sleep 600']), 'drain')).toBe('HANDED_OVER');
      backend.healthy = false;
      const interrupt = new AbortController();
      setTimeout(() => interrupt.abort(new Interrupt('drain')), 300);
      expect(await run({}, adopted(), interrupt.signal)).toBe('HANDED_OVER');
      expect(notebook.state).toMatchObject({ phase: 'BUILD', status: 'IN_PROGRESS' });
      expect(backend.sandboxes.size).toBe(1);
      backend.healthy = true;
      await backend.clear();
    }, 30_000);

    it('ends as what its container came to while nobody watched', async () => {
      expect(await leaveAt('BUILD', spec(['echo up; sleep 0.5; exit 7']), 'drain')).toBe('HANDED_OVER');
      await sleep(800);
      expect(await run({}, adopted())).toBe('FAILED');
      expect(notebook.contexts[0]?.message).toContain('exit status 7');
    }, 30_000);

    it('times out at once when its time ran out while nobody watched', async () => {
      expect(await leaveAt('BUILD', spec(['echo up; sleep 600']), 'drain')).toBe('HANDED_OVER');
      expect(await run({}, { ...adopted(), deadline: new Date(Date.now() - 1) })).toBe('TIMED_OUT');
    }, 30_000);
  });

  it('stops when its build goes back to the queue, with its log sealed and its sandbox gone', async () => {
    notebook.retries = true;
    expect(await run(spec(['echo once; exit 7']))).toBe('RETRIED');
    expect(behindItsSeal().slice(-4)).toEqual([
      'BUILD FAIL',
      'POST_BUILD SUCCEED',
      'UPLOAD_ARTIFACTS SUCCEED',
      'FINALIZING SUCCEED',
    ]);
    expect(notebook.contexts[0]).toMatchObject({ statusCode: 'COMMAND_EXECUTION_ERROR', exitCode: 7 });
    expect(sink.text.match(/^once$/gm)).toHaveLength(1);
  }, 30_000);

  it('tells which fault ended it', async () => {
    notebook.onPhase = (phase) => {
      if (phase === 'BUILD') sink.fail = new Fault('STORAGE_FULL', 'full');
    };
    expect(await run(spec(['while :; do echo x; sleep 0.05; done']))).toBe('FAULT');
    expect(notebook.contexts[0]).toMatchObject({ statusCode: 'INTERNAL_SERVICE_ERROR', faultCode: 'STORAGE_FULL' });
  }, 30_000);

  it('hands no script over once its build has passed on', async () => {
    notebook.failHandOver = new Fault('LEASE_LOST', 'gone');
    await expect(run(spec(['echo never']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(sink.text).not.toMatch(/^never$/m);
    await backend.clear();
  }, 30_000);

  it('ends at its deadline', async () => {
    expect(await run(spec(['sleep 600']), { deadline: new Date(Date.now() + 1500) })).toBe('TIMED_OUT');
    expect(notebook.contexts[0]).toEqual({ statusCode: 'BUILD_TIMED_OUT', message: 'Build has timed out.' });
  }, 30_000);

  it('ends FAULT when its log cannot be stored, and does not wait for the commands', async () => {
    notebook.onPhase = (phase) => {
      if (phase === 'BUILD') sink.fail = new Fault('LOG_APPEND_FAILED', 'the disk of the database is full');
    };
    expect(await run(spec(['while :; do echo x; sleep 0.05; done']))).toBe('FAULT');
    expect(notebook.contexts[0]?.message).toBe('the disk of the database is full');
    expect(notebook.written.some((line) => line.startsWith('sealed'))).toBe(false);
  }, 30_000);

  describe('whose database takes nothing', () => {
    const away = new Fault('DATABASE_UNAVAILABLE', 'the database does not answer', { retryable: true });
    const full = new Fault('STORAGE_FULL', 'Postgres has no disk space left', { retryable: true });
    const notStored = new Fault('LOG_APPEND_FAILED', 'lines from 7 on could not be stored: no disk space left');
    const at = (wanted: string, then: () => void): void => {
      notebook.onPhase = (phase) => {
        if (phase === wanted) then();
      };
    };
    /** Prints nothing before `fails` was called: what is stored already cannot fail any more. */
    const printsThen = (): string => `until [ -e '${dir}/fails' ]; do sleep 0.02; done; echo one; sleep 600`;
    const fails = (): void => {
      sink.fail = notStored;
      writeFileSync(join(dir, 'fails'), '');
    };
    const mend = (): void => {
      sink.fail = null;
      notebook.failApply = null;
      notebook.onPhase = null;
    };
    const goneOn = () => ({ adopted: { state: notebook.state, since: notebook.since } });
    const counted = 'i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done';

    it.each([
      ['its log', () => (sink.fail = away)],
      ['the end of a phase', () => (notebook.failApply = (phase) => (phase === 'BUILD' ? away : null))],
    ])(
      'is left as it is when %s was kept waiting for too long, and goes on when the database is back',
      async (_, fail) => {
        at('BUILD', fail);
        await expect(run(spec([counted, 'echo end']))).rejects.toBe(away);
        expect(notebook.written.some((line) => line.startsWith('sealed'))).toBe(false);
        expect(backend.sandboxes.size).toBe(1);
        mend();
        expect(await run({}, goneOn())).toBe('SUCCEEDED');
        const lines = sink.text.split('\n').filter((line) => /^(line \d+|end)$/.test(line));
        expect(lines).toEqual([...Array.from({ length: 40 }, (_each, index) => `line ${index + 1}`), 'end']);
        expect(bugs).toEqual([]);
      },
      30_000,
    );

    it('goes back to the queue when that was before a command of it had run', async () => {
      notebook.failApply = (phase) => (phase === 'DOWNLOAD_SOURCE' ? away : null);
      notebook.failHandOver = away;
      await expect(run(spec(['echo never']))).rejects.toBe(away);
      mend();
      expect(await run({}, goneOn())).toBe('NOT_STARTED');
      expect(sink.text).not.toMatch(/^never$/m);
    }, 30_000);

    it('ends at once when its output cannot be stored, although it prints nothing more', async () => {
      at('BUILD', fails);
      expect(await run(spec([printsThen()]))).toBe('FAULT');
      expect(notebook.contexts[0]).toMatchObject({ message: notStored.message, faultCode: 'LOG_APPEND_FAILED' });
    }, 30_000);

    it('does not end well without the end of its log', async () => {
      at('UPLOAD_ARTIFACTS', () => (sink.fail = notStored));
      expect(await run(spec(['echo one']))).toBe('FAULT');
      expect(notebook.written.at(-1)).toMatch(/ FAULT$/);
      expect(notebook.contexts[0]).toMatchObject({ faultCode: 'LOG_APPEND_FAILED' });
    }, 30_000);

    it('ends with the fault that could not be written down, once it can be', async () => {
      at('BUILD', () => {
        notebook.failApply = () => full;
        fails();
      });
      await expect(run(spec([printsThen()]))).rejects.toBe(full);
      mend();
      expect(await run({}, goneOn())).toBe('FAULT');
      expect(notebook.written.at(-1)).toBe('BUILD FAULT');
      expect(notebook.contexts).toEqual([
        { statusCode: 'INTERNAL_SERVICE_ERROR', message: notStored.message, faultCode: 'LOG_APPEND_FAILED' },
      ]);
      expect(backend.sandboxes.size).toBe(0);
    }, 30_000);
  });

  it('writes nothing more once its lease has passed on', async () => {
    notebook.failApply = (phase) => (phase === 'PRE_BUILD' ? new Fault('LEASE_LOST', 'gone') : null);
    await expect(run(spec(['sleep 600']))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(notebook.written.at(-1)).toBe('INSTALL SUCCEED');
    // it may be another worker's by now
    expect(backend.sandboxes.size).toBe(1);
    await backend.clear();
  }, 30_000);

  it('is not fooled by a build that writes its own events', async () => {
    const events = join(dir, '11111111-2222-4333-8444-555555555555-1', 'events');
    const forged = `printf 'finish BUILD SUCCEEDED 1\\nend 1\\n%s' "$(head -c 100000 /dev/zero | tr '\\0' x)" >>${events}; exit 1`;
    // it may call its own build good, as an exit 0 would; it may not break the run
    expect(['SUCCEEDED', 'FAILED']).toContain(await run(spec([forged])));
    expect(notebook.written.at(-1)).toBe('FINALIZING SUCCEED');
    expect(bugs).toEqual([]);
  }, 30_000);

  it('goes on when a build empties its own output file', async () => {
    const output = join(dir, '11111111-2222-4333-8444-555555555555-1', 'output');
    expect(await run(spec(['echo before; sleep 0.3', `: >${output}; sleep 0.3`, 'echo after']))).toBe('SUCCEEDED');
    expect(sink.text).toContain('\nafter\n');
  }, 30_000);
});
