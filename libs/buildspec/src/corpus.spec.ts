// Real public buildspecs: every one parses, and what comes out agrees with an independent walk over the same text.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { PHASE_NAMES } from './buildspec.js';
import { compile } from './compile.js';
import { parseBuildspec } from './parse.js';

const FOLDER = fileURLToPath(new URL('../../../../shared/data/buildspecs/', import.meta.url));
const files = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => /\.ya?ml$/.test(name)) : [];

type Plain = Record<string, unknown>;
const mapOf = (value: unknown): Plain =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Plain) : {};
const countOf = (value: unknown): number =>
  Array.isArray(value) ? value.filter((item) => item !== null).length : typeof value === 'string' ? 1 : 0;

if (files.length === 0) {
  console.warn(`SKIPPED: no buildspecs in ${FOLDER}; the corpus of real buildspecs is not checked`);
  describe('real buildspecs', () => {
    it.skip(`SKIPPED because ${FOLDER} is missing`, () => undefined);
  });
} else {
  describe.each(files)('%s', (file) => {
    const text = readFileSync(FOLDER + file, 'utf8');
    const plain = mapOf(parse(text, { version: '1.1', logLevel: 'error' }));
    const { buildspec, warnings } = parseBuildspec(text);

    it('has the commands that a plain walk over the YAML counts', () => {
      for (const name of PHASE_NAMES) {
        const phase = mapOf(mapOf(plain['phases'])[name]);
        const commands = buildspec.phases[name]?.commands ?? [];
        expect([name, commands.length]).toEqual([name, countOf(phase['commands'])]);
        if (Array.isArray(phase['commands'])) {
          const strings = phase['commands'].filter((item) => typeof item === 'string');
          expect(commands.filter((command) => strings.includes(command))).toEqual(strings);
        }
        expect([name, buildspec.phases[name]?.finally.length ?? 0]).toEqual([name, countOf(phase['finally'])]);
      }
    });

    it('has the variables, files and batch that a plain walk counts', () => {
      const env = mapOf(plain['env']);
      expect(buildspec.env.variables.map(({ name }) => name)).toEqual(Object.keys(mapOf(env['variables'])));
      expect(buildspec.env.secretsManager.length).toBe(Object.keys(mapOf(env['secrets-manager'])).length);
      expect(buildspec.env.parameterStore.length).toBe(Object.keys(mapOf(env['parameter-store'])).length);
      expect(buildspec.artifacts?.files.length ?? 0).toBe(countOf(mapOf(plain['artifacts'])['files']));
      expect(buildspec.cache?.paths.length ?? 0).toBe(countOf(mapOf(plain['cache'])['paths']));
      expect(buildspec.reports.map(({ group }) => group)).toEqual(Object.keys(mapOf(plain['reports'])));
      expect(buildspec.batch === null).toBe(plain['batch'] === undefined);
    });

    it('has a batch that can be run, where it has one', () => {
      if (plain['batch'] === undefined) return expect(buildspec.batch).toBeNull();
      const { kind, tasks } = parseBuildspec(text, 'batch').buildspec.batch!;
      const list = mapOf(plain['batch'])[kind];
      if (Array.isArray(list)) {
        expect(tasks.map(({ identifier }) => identifier)).toEqual(list.map((task) => mapOf(task)['identifier']));
        expect(tasks.map(({ dependOn }) => dependOn.length)).toEqual(
          list.map((task) => countOf(mapOf(task)['depend-on'])),
        );
      }
      expect(new Set(tasks.map(({ identifier }) => identifier)).size).toBe(tasks.length);
    });

    it('compiles to the four phases in order, or says that its shell is not of Linux', () => {
      const shell = mapOf(plain['env'])['shell'];
      if (typeof shell === 'string' && /powershell|pwsh|cmd/i.test(shell)) {
        expect(() => compile(buildspec, { warnings })).toThrow(/env\.shell: expected bash/);
        return;
      }
      const plan = compile(buildspec, { warnings });
      expect(plan.phases.map(({ type }) => type)).toEqual(['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD']);
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    });
  });
}
