// Real public buildspecs against facts about each that another YAML reader (PyYAML) gave, checked by eye, and against the features that
// people marked the files with. The facts are of the files, not of what our parser makes of them: a file that changes needs new facts.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { compile } from './compile.js';
import { examineBuildspec } from './examine.js';
import { parseBuildspec } from './parse.js';
import type { PlannedArtifacts } from './plan.js';
import { summarizeBatch } from './summarize-batch.js';
import { manifest, realBuildspecs, skipLoudly } from './testing/real-buildspecs.js';

interface ArtifactFacts {
  files: string[];
  'exclude-paths'?: string[];
  'base-directory'?: string;
  'discard-paths'?: string;
  name?: string;
}
interface Facts {
  version: string;
  shell?: string;
  runAs?: string;
  variables?: string[];
  parameterStore?: Record<string, string>;
  secretsManager?: Record<string, string>;
  exported?: string[];
  /** Those with a value, in the order in which they run. */
  phases: {
    phase: string;
    commands: number;
    finally: number;
    /** Beginning of the first command. */
    first?: string;
    commandsSha?: string;
    finallySha?: string;
    runAs?: string;
    onFailure?: string;
  }[];
  runtimes?: Record<string, string>;
  artifacts?: ArtifactFacts;
  cache?: string[];
  /** Format and number of patterns, by group. */
  reports?: Record<string, [string, number]>;
  batch?: {
    kind: string;
    graphSha: string;
    tasks: number;
    first: string;
    last: string;
    edges: number;
    roots: number;
    /** Tasks of the longest chain. */
    longest: number;
  };
}

const FACTS = new URL('testing/real-buildspec-facts.json', import.meta.url);
const facts = JSON.parse(readFileSync(FACTS, 'utf8')) as Record<string, Facts>;
const sha = (parts: string[]) => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);

if (realBuildspecs.length === 0) skipLoudly('their plans are not checked');
else {
  describe('the facts', () => {
    it('are there for every file, and for no other', () => {
      expect(realBuildspecs.map(({ file }) => file)).toEqual(Object.keys(facts).sort());
    });
  });

  describe.each(realBuildspecs)('$file', ({ file, text }) => {
    const fact = facts[file]!;
    const { buildspec } = parseBuildspec(text);
    // The plan of a Windows file is made with a shell that exists, to see all but that.
    const windows = /powershell/.test(fact.shell ?? '');
    const plan = compile(windows ? { ...buildspec, env: { ...buildspec.env, shell: null } } : buildspec);

    it('is valid, unless it wants a shell of Windows', () => {
      const { valid, findings } = examineBuildspec(text);
      const errors = findings.filter(({ severity }) => severity === 'error');
      expect([valid, errors.map(({ field }) => field)]).toEqual(windows ? [false, ['env.shell']] : [true, []]);
    });

    it('has its phases in order, with the commands that another reader found', () => {
      const planned = plan.phases.filter(({ listed }) => listed);
      expect(
        planned.map((phase) => ({
          phase: phase.type,
          commands: phase.commands.length,
          finally: phase.finally.length,
          first: phase.commands[0]?.split('\n')[0]?.slice(0, 40),
          commandsSha: phase.commands.length > 0 ? sha(phase.commands) : undefined,
          finallySha: phase.finally.length > 0 ? sha(phase.finally) : undefined,
          runAs: phase.runAs ?? undefined,
          onFailure: phase.onFailure.action === 'DEFAULT' ? undefined : phase.onFailure.action,
        })),
      ).toEqual(fact.phases.map((phase) => ({ ...phase, runAs: phase.runAs ?? fact.runAs })));
    });

    it('has its version, shell, user, variables and runtimes', () => {
      const pairs = (of: Record<string, string> = {}) => Object.entries(of);
      expect(plan.version).toBe(fact.version);
      if (!windows) expect(plan.shell).toBe(fact.shell ?? 'sh');
      expect(plan.runAs).toBe(fact.runAs ?? null);
      expect(plan.variables.map(({ name }) => name)).toEqual(fact.variables ?? []);
      expect(plan.parameterStore.map(({ name, parameter }) => [name, parameter])).toEqual(pairs(fact.parameterStore));
      expect(plan.secretsManager.map(({ name, reference }) => [name, reference])).toEqual(pairs(fact.secretsManager));
      expect(plan.exportedVariables).toEqual(fact.exported ?? []);
      expect(plan.runtimeVersions.map(({ name, version }) => [name, version])).toEqual(pairs(fact.runtimes));
    });

    it('has its artifacts, cache and reports', () => {
      const artifacts = fact.artifacts === undefined ? null : expect.objectContaining(artifactOf(fact.artifacts));
      expect(plan.artifacts).toEqual(artifacts);
      expect(plan.secondaryArtifacts).toEqual([]);
      expect(plan.cache?.paths ?? []).toEqual(fact.cache ?? []);
      expect(plan.reports.map(({ group, fileFormat, files }) => [group, [fileFormat, files.length]])).toEqual(
        Object.entries(fact.reports ?? {}),
      );
    });

    it('has its batch as a graph', () => {
      const batch = summarizeBatch(buildspec.batch);
      if (batch === null) return expect(fact.batch).toBeUndefined();
      const { kind, tasks } = batch;
      expect({
        kind,
        graphSha: sha(tasks.map(({ identifier, dependOn }) => `${identifier}:${dependOn.join(',')}`)),
        tasks: tasks.length,
        first: tasks[0]?.identifier,
        last: tasks.at(-1)?.identifier,
        edges: tasks.reduce((sum, { dependOn }) => sum + dependOn.length, 0),
        roots: tasks.filter(({ dependOn }) => dependOn.length === 0).length,
        longest: longestChain(new Map(tasks.map(({ identifier, dependOn }) => [identifier, dependOn]))),
      }).toEqual(fact.batch);
    });
  });

  describe('the features that people marked', () => {
    it.each(manifest())('of $file are found', ({ file, features }) => {
      const { text } = realBuildspecs.find((one) => one.file === file)!;
      const { buildspec } = parseBuildspec(text);
      const { env, batch } = buildspec;
      const phases = Object.values(buildspec.phases);
      const kind = summarizeBatch(batch)?.kind;
      const found: Record<string, boolean> = {
        reports: buildspec.reports.length > 0,
        artifacts: buildspec.artifacts !== null,
        cache: buildspec.cache !== null,
        shell: env.shell !== null,
        'batch-graph': kind === 'build-graph',
        'batch-list': kind === 'build-list',
        'secrets-manager': env.secretsManager.length > 0,
        'exported-variables': env.exportedVariables.length > 0,
        'git-credential-helper': env.gitCredentialHelper,
        'runtime-versions': buildspec.runtimeVersions.length > 0,
        'on-failure': phases.some(({ onFailure }) => onFailure.action !== 'DEFAULT'),
        'run-as': buildspec.runAs !== null || phases.some(({ runAs }) => runAs !== null),
        finally: phases.some((phase) => phase.finally.length > 0),
      };
      const marked = Object.fromEntries(Object.keys(found).map((feature) => [feature, features.includes(feature)]));
      expect(found).toEqual(marked);
    });
  });
}

function artifactOf(fact: ArtifactFacts): Partial<PlannedArtifacts> {
  return {
    files: fact.files,
    excludePaths: fact['exclude-paths'] ?? [],
    baseDirectory: fact['base-directory'] ?? null,
    discardPaths: fact['discard-paths'] === 'yes',
    name: fact.name ?? null,
  };
}

function longestChain(dependOn: Map<string, string[]>): number {
  const depths = new Map<string, number>();
  const depth = (name: string): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    const found = 1 + Math.max(0, ...(dependOn.get(name) ?? []).map(depth));
    depths.set(name, found);
    return found;
  };
  return Math.max(...[...dependOn.keys()].map(depth));
}
