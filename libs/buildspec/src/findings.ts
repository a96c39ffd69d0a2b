// Gathers what is wrong with a buildspec, so that one refusal tells all of it, and says findings in CodeBuild's words.
import { Refusal, type Finding } from '#core/errors.js';
import { suggestKey } from './suggest.js';
import { MAX_BUILDSPEC_FINDINGS } from './limits.js';

/** 1-based place in the text. */
export interface Place {
  line: number;
  column: number;
}

/** What a finding may say beside expectation and what came. */
export interface Hint {
  /** Default: where the field was noted. */
  place?: Place;
  suggestion?: string | null;
}

const UNKNOWN_KEY = 'a key that Kilnyard knows here';
const SUBKEYS = 'found subkeys instead';
const MAX_FIELD_LENGTH = 300;

/** Errors and warnings of one buildspec while it is read, and where its fields stand. */
export class Findings {
  private readonly errors: Finding[] = [];
  private readonly warned: Finding[] = [];
  private readonly places = new Map<string, Place>();

  /** Remembers where a field stands, so that a later check can point at it. */
  note(field: string, place: Place): void {
    this.places.set(field, place);
  }

  /** Where a field stands; of one that is not there, the nearest thing around it that is. */
  placeOf(field: string): Place | undefined {
    for (let at = field; ; at = around(at)) {
      const place = this.places.get(at);
      if (place !== undefined || at === '') return place;
    }
  }

  error(field: string, expected: string, got: string, more: Hint = {}): void {
    this.errors.push(this.finding(field, expected, got, more));
  }

  warn(field: string, expected: string, got: string, more: Hint = {}): void {
    this.warned.push(this.finding(field, expected, got, more));
  }

  /** An unknown key never fails a build (codebuild-contract C1.6). `section` is empty for the top level. */
  warnUnknownKey(section: string, key: string, known: readonly string[], place: Place): void {
    const got = excerpt(key);
    this.warn(fieldIn(section, got), UNKNOWN_KEY, got, { place, suggestion: suggestKey(section, key, known) });
  }

  private finding(field: string, expected: string, got: string, { place, suggestion }: Hint): Finding {
    return {
      field: excerpt(field, MAX_FIELD_LENGTH),
      expected,
      got,
      ...(place ?? this.placeOf(field)),
      ...(suggestion ? { suggestion } : {}),
    };
  }

  /** A command that YAML reads as a map (`- echo foo: bar`), in CodeBuild's words; `line` is the command's own. */
  commandIsMap(field: string, label: string, index: number, place: Place): void {
    const got = `${SUBKEYS} at line ${place.line}, value of the key tag on line ${place.line - 1} might be empty`;
    this.error(field, `${label}[${index}] to be of string type`, got, { place });
  }

  /** Some error was told; what is missing may be due to it. */
  get failed(): boolean {
    return this.errors.length > 0;
  }

  /** Takes over what another has gathered; its errors become warnings where they refuse nothing here. */
  take(other: Findings, refused: boolean): void {
    (refused ? this.errors : this.warned).push(...other.errors);
    this.warned.push(...other.warned);
  }

  /** In the order of the text, at most MAX_BUILDSPEC_FINDINGS of them. */
  get warnings(): Finding[] {
    return capped(inOrder(this.warned));
  }

  /** Errors: Refusal BUILDSPEC_INVALID with every error in the order of the text, when there is one. */
  refuse(): void {
    if (this.errors.length > 0) throw this.refusal();
  }

  refusal(): Refusal {
    return buildspecInvalid(inOrder(this.errors));
  }
}

/** The refusal of a buildspec; its message says the first finding and how many more there are. Lists at most MAX_BUILDSPEC_FINDINGS. */
export function buildspecInvalid(errors: Finding[], cause?: unknown): Refusal {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new Refusal('BUILDSPEC_INVALID', `${first ? describeFinding(first) : 'the buildspec is not valid'}${more}`, {
    findings: capped(errors),
    cause,
  });
}

function capped(all: readonly Finding[]): Finding[] {
  const findings = all.slice(0, MAX_BUILDSPEC_FINDINGS);
  const left = all.length - findings.length;
  if (left > 0) {
    const expected = `at most ${MAX_BUILDSPEC_FINDINGS} findings (MAX_BUILDSPEC_FINDINGS)`;
    findings.push({ field: '', expected, got: `${left} more` });
  }
  return findings;
}

/** One finding as one line of text, for a log or a phase's context. */
export function describeFinding(finding: Finding): string {
  if (finding.got.startsWith(SUBKEYS)) return `Expected ${finding.expected}: ${finding.got}`;
  const place = finding.line === undefined ? '' : ` at line ${finding.line}, column ${finding.column ?? 1}`;
  const meant = finding.suggestion === undefined ? '' : ` (did you mean ${finding.suggestion}?)`;
  return `${finding.field || 'buildspec'}: expected ${finding.expected}, got ${finding.got}${meant}${place}`;
}

/**
 * Warnings as lines for the build's log: unknown keys in CodeBuild's layout (codebuild-contract C1.6), the rest one line each.
 * Out: no line when there is no warning.
 */
export function warningLines(warnings: readonly Finding[]): string[] {
  const bySection = new Map<string, string[]>();
  for (const { field, got } of warnings.filter(isUnknownKey)) {
    const section = field.length > got.length ? field.slice(0, -got.length - 1) : 'buildspec';
    bySection.set(section, [...(bySection.get(section) ?? []), got]);
  }
  const lines = bySection.size > 0 ? ['Found possible syntax errors in buildspec:'] : [];
  for (const [section, keys] of bySection) {
    lines.push(
      `In the section ${section}`,
      '\tThe following keys cannot be identified:',
      ...keys.map((k) => `\t\t${k}`),
    );
  }
  for (const { field, suggestion } of warnings.filter(isUnknownKey)) {
    if (suggestion !== undefined) lines.push(`Did you mean ${suggestion} instead of ${field}?`);
  }
  for (const warning of warnings) if (!isUnknownKey(warning)) lines.push(`Warning: ${describeFinding(warning)}`);
  return lines;
}

/** A text shortened for a finding, on one line of at most `length` characters; what a log or a database would not take shows as U+FFFD. */
export function excerpt(text: string, length = 80): string {
  const line = text
    .slice(0, 4 * length)
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Cs}]/gu, '\uFFFD');
  return line.length <= length ? line : `${line.slice(0, length - 3)}...`;
}

/** The dotted path of a key. A long path is cut, so that many keys below one long one take no more than their own length. */
export function fieldIn(section: string, key: string): string {
  return section === '' ? key : `${section.slice(0, MAX_FIELD_LENGTH)}.${key}`;
}

/** `a.b[2]` is in `a.b`, which is in `a`, which is in the whole. */
function around(field: string): string {
  return field.slice(0, Math.max(0, field.lastIndexOf('.'), field.lastIndexOf('[')));
}

function isUnknownKey(finding: Finding): boolean {
  return finding.expected === UNKNOWN_KEY;
}

/** In the order of the text; what has no place is last. */
export function inOrder<F extends Finding>(findings: readonly F[]): F[] {
  const last = Number.MAX_SAFE_INTEGER;
  return [...findings].sort((a, b) => (a.line ?? last) - (b.line ?? last) || (a.column ?? last) - (b.column ?? last));
}
