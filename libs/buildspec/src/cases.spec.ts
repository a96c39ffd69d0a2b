// test/cases/<name>: a buildspec.yml and beside it, in expect.json, what becomes of it: a part of the plan and its warnings, or the findings.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { Refusal, type Finding } from '#core/errors.js';
import { compile } from './compile.js';
import { describeFinding } from './findings.js';
import { parseBuildspec } from './parse.js';

interface Case {
  reason: string;
  plan?: Record<string, unknown>;
  warnings?: string[];
  findings?: Finding[];
}

const FOLDER = fileURLToPath(new URL('../../../test/cases/', import.meta.url));
const cases = readdirSync(FOLDER, { withFileTypes: true }).filter((entry) => entry.isDirectory());

describe('test/cases', () => {
  it('has cases', () => {
    expect(cases.length).toBeGreaterThanOrEqual(12);
  });

  it.each(cases.map(({ name }) => name))('%s', (name) => {
    const text = readFileSync(`${FOLDER}${name}/buildspec.yml`, 'utf8');
    const { plan, warnings = [], findings } = JSON.parse(readFileSync(`${FOLDER}${name}/expect.json`, 'utf8')) as Case;
    const outcome = outcomeOf(text);
    if (findings !== undefined) {
      expect(outcome).toEqual({ findings });
    } else {
      expect(outcome).toMatchObject({ plan: plan ?? {}, warnings });
    }
  });
});

function outcomeOf(text: string) {
  try {
    const parsed = parseBuildspec(text);
    const plan = compile(parsed.buildspec, { warnings: parsed.warnings });
    return { plan, warnings: plan.warnings.map(describeFinding) };
  } catch (error) {
    if (error instanceof Refusal) return { findings: error.findings };
    throw error;
  }
}
