// What every backend owes (backend.ts), as one suite: run on fake/ in the unit project and on docker/ with a real engine.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import tar from 'tar-stream';
import { writeScript, type ScriptPhase } from '../script/write-script.js';
import { readEvent, type ScriptEvent } from '../script/events.js';
import { MAX_ASIDE_BYTES, type Backend, type Sandbox } from './backend.js';

const LIMITS = { cpus: 1, memoryBytes: 256 * 1024 * 1024, diskBytes: 1024 ** 3, pids: 200 };

export interface ContractSubject {
  backend: Backend;
  image: string;
  stop(): Promise<void>;
}

export function describeBackend(name: string, begin: () => Promise<ContractSubject>): void {
  describe(`the contract of a backend: ${name}`, () => {
    let subject: ContractSubject;
    const made: Sandbox[] = [];
    const signal = new AbortController().signal;

    beforeAll(async () => {
      subject = await begin();
    }, 60_000);
    afterEach(async () => {
      for (const sandbox of made.splice(0)) await sandbox.remove();
    }, 60_000);
    afterAll(() => subject.stop(), 60_000);

    async function sandbox(): Promise<Sandbox> {
      const image = await subject.backend.prepareImage({ image: subject.image, say: () => undefined, signal });
      const spec = {
        buildId: randomUUID(),
        attempt: 1,
        workerId: 'w',
        projectName: 'p',
        image,
        limits: LIMITS,
        privileged: false,
      };
      const one = await subject.backend.create(spec, signal);
      made.push(one);
      owners.set(one, spec);
      return one;
    }

    const owners = new Map<Sandbox, { buildId: string; attempt: number }>();
    const ownerOf = (one: Sandbox): { buildId: string; attempt: number } => owners.get(one)!;

    function script(one: Sandbox, ...commands: string[]): string {
      const phase = (type: ScriptPhase['type'], list: string[]): ScriptPhase => ({
        type,
        commands: list,
        finally: [],
        runAs: null,
        onFailure: null,
      });
      return writeScript({
        controlRoot: one.controlRoot,
        tempDir: one.tempDir,
        sourceDir: one.buildRoot,
        shell: 'sh',
        carry: true,
        runAs: null,
        variables: [{ name: 'SECRET', value: 's3cret' }],
        phases: [phase('INSTALL', []), phase('PRE_BUILD', []), phase('BUILD', commands), phase('POST_BUILD', [])],
        exported: [],
        expansions: [],
        ownProcesses: one.ownProcesses,
      });
    }

    async function outputOf(one: Sandbox, from = 0): Promise<string> {
      const pieces: Buffer[] = [];
      for await (const piece of one.output(from, signal)) pieces.push(Buffer.from(piece.bytes));
      return Buffer.concat(pieces).toString();
    }

    async function eventsOf(one: Sandbox): Promise<ScriptEvent[]> {
      const events: ScriptEvent[] = [];
      for await (const line of one.events(signal)) {
        const event = readEvent(line);
        if (event !== null) events.push(event);
      }
      return events;
    }

    it('tells a line to what waits inside, also behind half a line of its own, and whoever reads the events reads it too', async () => {
      const one = await sandbox();
      const events = `${one.controlRoot}/events`;
      await one.start(
        script(one, `printf half >>${events}; until grep -q '^resume 1 api' ${events}; do sleep 1; done; echo heard`),
      );
      await one.tell('resume 1 api');
      expect(await outputOf(one)).toMatch(/\nheard\n/);
      expect(await eventsOf(one)).toContainEqual({ kind: 'resume', number: 1, by: 'api' });
    });

    it('runs a script to its end: output, events, exit', async () => {
      const one = await sandbox();
      await one.start(script(one, 'echo "hello $SECRET"', 'echo to-stderr >&2'));
      const [output, events, exit] = await Promise.all([outputOf(one), eventsOf(one), one.wait()]);
      expect(output).toMatch(/\nhello s3cret\n[^]*\nto-stderr\n/);
      expect(events.map((event) => event.kind)).toEqual([
        'start',
        ...Array.from({ length: 4 }, () => ['begin', 'finish']).flat(),
        'end',
      ]);
      expect(exit).toMatchObject({ exitCode: 0, outOfMemory: false });
    }, 60_000);

    it('gives output from any byte on', async () => {
      const one = await sandbox();
      await one.start(script(one, 'echo abcdef'));
      const whole = await outputOf(one);
      expect(await outputOf(one, 10)).toBe(whole.slice(10));
    }, 60_000);

    it('gives output while it is written', async () => {
      const one = await sandbox();
      await one.start(script(one, 'echo first', 'while [ ! -e go ]; do sleep 0.05; done', 'echo last'));
      let seen = '';
      for await (const piece of one.output(0, signal)) {
        seen += piece.bytes.toString();
        if (seen.includes('\nfirst\n')) await writeFile(join(one.workspaceDir, 'go'), '');
      }
      expect(seen).toContain('\nlast\n');
    }, 60_000);

    it('is adopted with its record, and goes on from the byte asked for', async () => {
      const one = await sandbox();
      const owner = ownerOf(one);
      expect(await one.kept()).toBeNull();
      await one.keep(Buffer.from('first'));
      await one.keep(Buffer.from('record'));
      await one.start(script(one, 'echo before', 'while [ ! -e go ]; do sleep 0.05; done', 'echo after'));
      const reading = new AbortController();
      let seen = '';
      let next = 0;
      await expect(async () => {
        for await (const { at, bytes } of one.output(0, reading.signal)) {
          seen += bytes.toString();
          next = at + bytes.length;
          if (seen.includes('\nbefore\n')) reading.abort(new Error('the first reader is gone'));
        }
      }).rejects.toThrow('the first reader is gone');
      const adopted = (await subject.backend.adopt({ ...owner, limits: LIMITS }))!;
      expect((await adopted.kept())?.toString()).toBe('record');
      await writeFile(join(adopted.workspaceDir, 'go'), '');
      expect(seen + (await outputOf(adopted, next))).toMatch(/\nbefore\n[^]*\nafter\n/);
      expect((await adopted.wait()).exitCode).toBe(0);
      expect((await eventsOf(adopted)).at(-1)?.kind).toBe('end');
    }, 60_000);

    it('is not adopted once it is removed', async () => {
      const one = await sandbox();
      await one.remove();
      expect(await subject.backend.adopt({ ...ownerOf(one), limits: LIMITS })).toBeNull();
    }, 60_000);

    it('ends when it is killed, and a kill again does nothing', async () => {
      const one = await sandbox();
      await one.start(script(one, 'echo up; sleep 600'));
      let seen = '';
      for await (const piece of one.output(0, signal)) {
        seen += piece.bytes.toString();
        if (seen.includes('\nup\n')) await one.kill();
      }
      expect((await one.wait()).exitCode).toBe(137);
      await one.kill();
    }, 60_000);

    it('does nothing while paused', async () => {
      const one = await sandbox();
      await one.start(script(one, 'while [ ! -e go ]; do sleep 0.05; done', 'echo went'));
      await one.pause();
      await one.pause();
      await writeFile(join(one.workspaceDir, 'go'), '');
      await one.resume();
      await one.resume();
      expect(await outputOf(one)).toContain('\nwent\n');
    }, 60_000);

    it('shows files of the workspace without following links', async () => {
      const one = await sandbox();
      await one.start(
        script(one, 'mkdir -p d/e && echo 1 >d/f && ln -s /etc/passwd d/link && ln -s /etc linked && mkfifo d/pipe'),
      );
      await one.wait();
      const found: string[] = [];
      for await (const file of one.files(`${one.buildRoot}/d`, signal)) {
        let text = '';
        if (file.type === 'file') for await (const piece of await file.open()) text += String(piece);
        found.push(`${file.type} ${file.path} ${file.linkTarget ?? text.trim()}`);
      }
      expect(found.sort()).toEqual(['directory e ', 'file f 1', 'symlink link /etc/passwd']);
      for (const dir of ['linked', 'd/../linked', 'absent', 'd/f']) {
        for await (const file of one.files(`${one.buildRoot}/${dir}`, signal))
          throw new Error(`followed ${dir} to ${file.path}`);
      }
    }, 60_000);

    it('unpacks a tar before its start', async () => {
      const one = await sandbox();
      const pack = tar.pack();
      pack.entry({ name: `${one.buildRoot.slice(1)}/cached/a.txt` }, 'from the cache');
      pack.finalize();
      await one.unpack('/', Readable.from(pack), signal);
      await one.start(script(one, 'cat cached/a.txt'));
      expect(await outputOf(one)).toContain('from the cache');
    }, 60_000);

    it('runs a script beside the one that it waits for: its words, its end, and nothing to read', async () => {
      const one = await sandbox();
      const text = 'cat; echo out; echo "error of $0" >&2; big=$(head -c 300000 /dev/zero | tr "\\0" x); exit 7';
      const { exitCode, output, errors } = await one.runAside(`cd '${one.buildRoot}' && : >made\n${text}`, signal);
      expect([exitCode, output.toString(), errors.toString()]).toEqual([
        7,
        'out\n',
        expect.stringContaining('error of '),
      ]);
      const flood = await one.runAside('head -c 200000 /dev/zero', signal);
      expect([flood.exitCode, flood.output.length]).toEqual([0, MAX_ASIDE_BYTES]);
      await one.start(script(one, 'ls'));
      expect(await outputOf(one)).toContain('\nmade\n');
    }, 60_000);

    it('lets go of a script beside it when told to, and is of use afterwards', async () => {
      const one = await sandbox();
      const late = new AbortController();
      const aside = one.runAside('while :; do sleep 0.05; done', late.signal);
      setTimeout(() => late.abort(new Error('too long')), 300);
      await expect(aside).rejects.toThrow('too long');
      await one.start(script(one, 'echo went on'));
      expect(await outputOf(one)).toContain('\nwent on\n');
    }, 60_000);

    it('begins no script beside it when it is told to let go before that, or at once', async () => {
      const one = await sandbox();
      const late = new AbortController();
      const aside = one.runAside('while :; do sleep 0.05; done', late.signal);
      late.abort(new Error('too late'));
      await expect(aside).rejects.toThrow('too late');
      await expect(one.runAside('true', late.signal)).rejects.toThrow('too late');
    }, 60_000);

    it('takes what is unpacked while it is frozen, and goes on', async () => {
      const one = await sandbox();
      await one.freeze();
      const pack = tar.pack();
      pack.entry({ name: `${one.buildRoot.slice(1)}/cached/a.txt` }, 'from the cache');
      pack.finalize();
      await one.unpack('/', Readable.from(pack), signal);
      await one.resume();
      await one.start(script(one, 'cat cached/a.txt'));
      expect(await outputOf(one)).toContain('from the cache');
    }, 60_000);

    it('refuses a second sandbox for the same attempt', async () => {
      const image = await subject.backend.prepareImage({ image: subject.image, say: () => undefined, signal });
      const spec = {
        buildId: randomUUID(),
        attempt: 1,
        workerId: 'w',
        projectName: 'p',
        image,
        limits: LIMITS,
        privileged: false,
      };
      made.push(await subject.backend.create(spec, signal));
      await expect(subject.backend.create(spec, signal)).rejects.toThrow();
    }, 60_000);

    it('sweeps what nobody keeps, and nothing else', async () => {
      const kept = await sandbox();
      const orphan = await sandbox();
      await kept.start(script(kept, 'sleep 600'));
      const ids: string[] = [];
      const swept = await subject.backend.sweep(({ buildId }) => {
        ids.push(buildId);
        return kept.workspaceDir.includes(buildId);
      });
      expect(swept).toBe(1);
      expect(ids).toHaveLength(2);
      expect((await orphan.wait().catch(() => ({ exitCode: 137 }))).exitCode).toBe(137);
      let running = true;
      const ended = (): boolean => (running = false);
      kept.wait().then(ended, ended);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(running).toBe(true);
    }, 60_000);
  });
}
