// Cucumber's JSON: features with scenarios, each with steps and hooks. A background is no case: what fails in it fails the scenario behind it.
import { MASK_MARGIN, MAX_CASE_MESSAGE, type TestStatus } from '#core/report.js';
import { BrokenReport, shown } from '../broken-report.js';
import { listAt, objectAt, parseJson, textOf, type JsonObject } from '../json.js';
import { durationNs } from '../numbers.js';
import type { NewCase } from '../test-cases.js';

interface StepResult {
  status: string;
  durationNs: number;
  message: string;
}

/** Errors: BrokenReport. */
export function readCucumber(text: string): NewCase[] {
  const features = parseJson(text);
  if (!Array.isArray(features)) throw new BrokenReport(`expected a list of features, got ${shown(features)}`);
  return features.flatMap((feature, index) => scenariosOf(objectAt(feature, `feature ${index}`), index));
}

function scenariosOf(feature: JsonObject, index: number): NewCase[] {
  const cases: NewCase[] = [];
  let background: StepResult[] = [];
  for (const [number, one] of listAt(feature['elements'], `elements of feature ${index}`).entries()) {
    const element = objectAt(one, `element ${number} of feature ${index}`);
    const results = resultsOf(element);
    if (isBackground(element)) {
      background = results;
      continue;
    }
    cases.push(caseOf(feature, element, [...background, ...results]));
    background = [];
  }
  return cases;
}

function isBackground(element: JsonObject): boolean {
  return (textOf(element['type']) || textOf(element['keyword'])).toLowerCase() === 'background';
}

function caseOf(feature: JsonObject, element: JsonObject, results: StepResult[]): NewCase {
  const status = statusOf(results);
  return {
    name: textOf(element['name']) || textOf(element['id']) || textOf(element['keyword']),
    prefix: textOf(feature['name']) || textOf(feature['uri']),
    suite: textOf(feature['uri']),
    status,
    durationNs: results.reduce((sum, result) => sum + result.durationNs, 0),
    message: status === 'SUCCEEDED' ? '' : (results.find(({ message }) => message !== '')?.message ?? ''),
  };
}

/** Cucumber's own order: what is worst decides. */
function statusOf(results: readonly StepResult[]): TestStatus {
  const has = (...words: string[]): boolean => results.some(({ status }) => words.includes(status));
  if (has('failed', 'ambiguous')) return 'FAILED';
  if (has('undefined')) return 'UNKNOWN';
  if (has('pending', 'skipped')) return 'SKIPPED';
  return results.length > 0 && results.every(({ status }) => status === 'passed') ? 'SUCCEEDED' : 'UNKNOWN';
}

/** Of the hooks before, the steps with their own hooks, the hooks after. */
function resultsOf(element: JsonObject): StepResult[] {
  const parts = [...listAt(element['before'], 'before'), ...stepsOf(element), ...listAt(element['after'], 'after')];
  return parts.map((part) => resultOf(objectAt(part, 'a step')));
}

function stepsOf(element: JsonObject): unknown[] {
  return listAt(element['steps'], 'steps').flatMap((one) => {
    const step = objectAt(one, 'a step');
    return [...listAt(step['before'], 'before'), step, ...listAt(step['after'], 'after')];
  });
}

function resultOf(part: JsonObject): StepResult {
  const result = part['result'] === undefined ? {} : objectAt(part['result'], 'result');
  const duration = result['duration'];
  return {
    status: textOf(result['status']).toLowerCase(),
    durationNs: typeof duration === 'number' ? durationNs(duration, duration) : 0,
    message: textOf(result['error_message'])
      .slice(0, MAX_CASE_MESSAGE + MASK_MARGIN)
      .trim(),
  };
}
