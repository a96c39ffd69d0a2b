import { describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { compile } from '#buildspec/compile.js';
import { parseBuildspec } from '#buildspec/parse.js';
import type { ProjectArtifacts } from '#core/project.js';
import { newProjectSettings } from '#testing/factories.js';
import { FakeClock } from '#testing/fake-clock.js';
import { RecordingSink } from '#testing/recording-sink.js';
import type { SandboxFile } from '../backend/backend.js';
import type { BuildRun } from '../build-run.js';
import { LogPipeline } from '../logs/pipeline.js';
import { uploadArtifacts } from './upload-artifacts.js';

const ZIP: ProjectArtifacts = { type: 'S3', packaging: 'ZIP' };
const FOLDER: ProjectArtifacts = { type: 'S3', packaging: 'NONE' };
const FILE = file('lib/a.so.1');

describe('uploadArtifacts, symbolic links', () => {
  it.each<{
    what: string;
    buildspec: string;
    target?: ProjectArtifacts;
    files: SandboxFile[];
    saved: string[];
    leftOut: number;
  }>([
    {
      what: 'kept on request',
      buildspec: 'enable-symlinks: yes',
      files: [FILE, link('lib/a.so', 'a.so.1')],
      saved: ['lib/a.so.1', 'lib/a.so'],
      leftOut: 0,
    },
    {
      what: 'up and down again within the artifact',
      buildspec: 'enable-symlinks: yes',
      files: [FILE, link('bin/a', '../lib/a.so.1')],
      saved: ['lib/a.so.1', 'bin/a'],
      leftOut: 0,
    },
    {
      what: 'replaced by what they stand for when not asked for',
      buildspec: 'enable-symlinks: no',
      files: [FILE, link('lib/a.so', 'a.so.1'), link('b', './lib/../lib/a.so')],
      saved: ['lib/a.so.1', 'lib/a.so = lib/a.so.1', 'b = lib/a.so.1'],
      leftOut: 0,
    },
    {
      what: 'replaced in a folder, which has no links',
      buildspec: 'enable-symlinks: yes',
      target: FOLDER,
      files: [FILE, link('lib/a.so', 'a.so.1')],
      saved: ['lib/a.so.1', 'lib/a.so = lib/a.so.1'],
      leftOut: 0,
    },
    {
      what: 'replaced by a file of the build that is not among the artifact’s',
      buildspec: "enable-symlinks: yes\n  exclude-paths: ['lib/**/*']",
      files: [FILE, link('a', '/build/src/lib/a.so.1'), link('b', 'lib/a.so.1')],
      saved: ['a = lib/a.so.1', 'b'],
      leftOut: 0,
    },
    {
      what: 'left out when they lead to nothing, a folder, each other or by way of a link',
      buildspec: 'enable-symlinks: no',
      files: [
        FILE,
        link('none', 'absent'),
        link('lib2', 'lib'),
        link('x', 'y'),
        link('y', 'x'),
        link('z', 'lib2/a.so.1'),
      ],
      saved: ['lib/a.so.1'],
      leftOut: 5,
    },
    {
      what: 'left out when they lead out of the build',
      buildspec: 'enable-symlinks: no',
      files: [FILE, link('a', '/etc/shadow'), link('b', '../../etc/shadow'), link('c', '/build/../etc/shadow')],
      saved: ['lib/a.so.1'],
      leftOut: 3,
    },
    {
      what: 'left out when absolute',
      buildspec: 'enable-symlinks: yes',
      files: [FILE, link('shadow', '/etc/shadow')],
      saved: ['lib/a.so.1'],
      leftOut: 1,
    },
    {
      what: 'left out when it leads out',
      buildspec: 'enable-symlinks: yes',
      files: [FILE, link('lib/up', '../../up')],
      saved: ['lib/a.so.1'],
      leftOut: 1,
    },
    {
      what: 'left out when it leads out by way of another link',
      buildspec: 'enable-symlinks: yes',
      files: [FILE, link('p/q/top', '../..'), link('p/q/out', 'top/../..')],
      saved: ['lib/a.so.1', 'p/q/top'],
      leftOut: 1,
    },
    {
      what: 'never in the place of a file of the same name when they lead out',
      buildspec: 'discard-paths: yes\n  enable-symlinks: yes',
      files: [FILE, link('x/a.so.1', '/etc/shadow')],
      saved: ['a.so.1'],
      leftOut: 1,
    },
  ])('$what', async ({ buildspec, target = ZIP, files, saved, leftOut }) => {
    const { run, names, sink } = newRun(`  ${buildspec}`, target, files);
    await uploadArtifacts(run, false);
    await run.log.end();
    expect(names).toEqual(saved);
    const told = sink.texts.flatMap((text) => /Left out (\d+) symbolic link/.exec(text)?.[1] ?? []);
    expect(told).toEqual(leftOut === 0 ? [] : [String(leftOut)]);
  });

  it('tells of the links when there is nothing but links', async () => {
    const { run, sink } = newRun('  enable-symlinks: no', ZIP, [link('a', 'b')]);
    await expect(uploadArtifacts(run, false)).rejects.toMatchObject({ code: 'CLIENT_ERROR' });
    await run.log.end();
    expect(sink.texts.join('\n')).toContain('Left out 1 symbolic link(s)');
  });
});

function file(path: string): SandboxFile {
  const open = async (): Promise<Readable> => Readable.from([Buffer.from(path)]);
  return { path, type: 'file', mode: 0o644, sizeBytes: path.length, mtime: new Date(0), open };
}

function link(path: string, linkTarget: string): SandboxFile {
  const open = (): never => {
    throw new Error('a link has no bytes');
  };
  return { path, type: 'symlink', mode: 0o777, sizeBytes: 0, mtime: new Date(0), linkTarget, open };
}

/** A run whose commands are over, with these files in its source folder. */
function newRun(artifacts: string, target: ProjectArtifacts, files: SandboxFile[]) {
  const { buildspec } = parseBuildspec(`version: 0.2\nartifacts:\n  files: ['**/*']\n${artifacts}\n`);
  const plan = compile(buildspec, { warnings: [], secondaryArtifactIdentifiers: [] });
  const clock = new FakeClock();
  const sink = new RecordingSink();
  const names: string[] = [];
  const save = async (request: { files: AsyncIterable<{ name: string; file: SandboxFile }> }) => {
    for await (const { name, file } of request.files)
      names.push(file.type === 'symlink' || file.path.endsWith(name) ? name : `${name} = ${file.path}`);
    return { name: 'a', sizeBytes: 1 };
  };
  const run = {
    request: { build: { id: 'b-1', projectName: 'hello', settings: newProjectSettings({ artifacts: target }) } },
    ports: { artifacts: { save }, journal: { addArtifact: async () => undefined } },
    log: new LogPipeline({ sink, clock }),
    signal: new AbortController().signal,
    sandbox: {
      buildRoot: '/build',
      files: () => Readable.from(files),
      entry: async (path: string) => files.find((one) => `/build/src/${one.path}` === path) ?? null,
    },
    source: { plan, sourceDir: '/build/src', expansions: [], sealedVariables: new Set<string>() },
    script: { exported: new Map(), expanded: new Map() },
  };
  return { run: run as unknown as BuildRun, names, sink };
}
