// test/cases/<name>: a buildspec.yml and beside it, in expect.json, what becomes of it: a part of the plan and its warnings, or the findings
// (and the warnings beside them, where they are given).
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { Refusal, type Finding } from '#core/errors.js';
import { compile } from './compile.js';
import { describeFinding, Findings } from './findings.js';
import { readBuildspec } from './parse.js';

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
    const { plan, warnings, findings } = JSON.parse(readFileSync(`${FOLDER}${name}/expect.json`, 'utf8')) as Case;
    const outcome = outcomeOf(text);
    if (findings !== undefined) {
      expect(outcome.findings).toEqual(findings);
      if (warnings !== undefined) expect(outcome.warnings).toEqual(warnings);
    } else {
      expect(outcome).toMatchObject({ plan: plan ?? {}, warnings: warnings ?? [] });
    }
  });
});

function outcomeOf(text: string) {
  const findings = new Findings();
  try {
    const buildspec = readBuildspec(text, findings);
    const plan = compile(buildspec, { warnings: findings.warnings, placeOf: (field) => findings.placeOf(field) });
    return { plan, warnings: plan.warnings.map(describeFinding) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { findings: error.findings, warnings: findings.warnings.map(describeFinding) };
  }
}
