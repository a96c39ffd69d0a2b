// Turns what a zod schema found wrong into findings: which field, what was expected, what came. All of them at once, and no secret in any.
import { z } from 'zod';
import { Refusal, type Finding } from '#core/errors.js';

/** More findings than this help nobody; the last one then says how many were left out. */
export const MAX_FINDINGS = 100;
const LONGEST_GOT = 120;
/** Fields whose content is never repeated. */
const SECRET_FIELD = /(^|\.)(value|token|password|secret|privateKey)$/i;

type Path = readonly PropertyKey[];

/**
 * In: the schema that refused, its issues and the input that it refused. Out: one finding for each thing that is wrong, in the schema's order.
 */
export function findingsOf(schema: z.ZodType, issues: readonly z.core.$ZodIssue[], input: unknown): Finding[] {
  const findings = issues.flatMap((issue) => findingsOfIssue(schema, issue, input));
  if (findings.length <= MAX_FINDINGS) return findings;
  const left = findings.length - MAX_FINDINGS + 1;
  return [
    ...findings.slice(0, MAX_FINDINGS - 1),
    { field: '', expected: `no more than ${MAX_FINDINGS} mistakes at once`, got: `${left} more` },
  ];
}

/** A Refusal INVALID_INPUT that names the first finding in its message and carries all. */
export function refusalOf(findings: Finding[]): Refusal {
  const [first] = findings;
  const more = findings.length > 1 ? ` (and ${findings.length - 1} more)` : '';
  const message =
    first === undefined
      ? 'the request is not valid'
      : `${first.field === '' ? 'the request' : first.field}: expected ${first.expected}, got ${first.got}${more}`;
  return new Refusal('INVALID_INPUT', message, { findings });
}

function findingsOfIssue(schema: z.ZodType, issue: z.core.$ZodIssue, input: unknown): Finding[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path);
    return issue.keys.map((key) => ({
      field: dotted([...issue.path, key]),
      expected: known.length === 0 ? 'no such field' : `no such field; the fields here are ${known.join(', ')}`,
      got: 'an unknown field',
    }));
  }
  if (issue.code === 'invalid_union') {
    const deepest = issue.errors.flat().filter((inner) => inner.path.length > 0);
    if (deepest.length > 0)
      return deepest.flatMap((inner) =>
        findingsOfIssue(schema, { ...inner, path: [...issue.path, ...inner.path] }, input),
      );
  }
  const field = dotted(issue.path);
  return [{ field, expected: expectedBy(issue), got: shown(field, valueAt(input, issue.path)) }];
}

function expectedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return article(issue.expected);
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `${bound(issue.origin)} ${issue.inclusive === false ? 'more than' : 'at least'} ${String(issue.minimum)}`;
    case 'too_big':
      return `${bound(issue.origin)} ${issue.inclusive === false ? 'less than' : 'at most'} ${String(issue.maximum)}`;
    default:
      return issue.message;
  }
}

function bound(origin: string): string {
  if (origin === 'string') return 'a length of';
  if (origin === 'array' || origin === 'set') return 'a number of entries of';
  return 'a number of';
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  if (type === 'string') return 'a text';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** `environment.environmentVariables[2].name`. */
export function dotted(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** A value for people: short, quoted, and only its kind where the field holds secrets. */
export function shown(field: string, value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  if (SECRET_FIELD.test(field)) return `a ${typeof value} that is not shown`;
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length <= LONGEST_GOT ? text : `${text.slice(0, LONGEST_GOT)}… (${text.length} characters)`;
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, part)
        ? (value as Record<PropertyKey, unknown>)[part]
        : undefined,
    input,
  );
}

function knownKeys(schema: z.ZodType, path: Path): string[] {
  let at: unknown = unwrapped(schema);
  for (const part of path) {
    if (at instanceof z.ZodObject) at = unwrapped(at.shape[String(part)]);
    else if (at instanceof z.ZodArray) at = unwrapped(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrapped(schema: unknown): unknown {
  let at = schema;
  while (
    at instanceof z.ZodOptional ||
    at instanceof z.ZodNullable ||
    at instanceof z.ZodDefault ||
    at instanceof z.ZodPrefault
  )
    at = at.unwrap();
  return at;
}
