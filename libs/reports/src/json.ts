// JSON from a report file, and its shape checked step by step: what is of another shape is told with where it stands.
import { BrokenReport, shown } from './broken-report.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Errors: BrokenReport for what is no JSON. */
export function parseJson(text: string): unknown {
  if (text.trim() === '') throw new BrokenReport('the file is empty');
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new BrokenReport(`not JSON: ${error instanceof Error ? error.message.slice(0, 200) : String(error)}`);
  }
}

/** Errors: BrokenReport. */
export function objectAt(value: unknown, where: string): JsonObject {
  if (isObject(value)) return value;
  throw new BrokenReport(`expected an object as ${where}, got ${shown(value ?? 'nothing')}`);
}

/** Absent is empty. Errors: BrokenReport. */
export function listAt(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new BrokenReport(`expected a list as ${where}, got ${shown(value)}`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
