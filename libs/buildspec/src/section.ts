// One map of the buildspec, read field by field: each verb takes a key, checks what stands there and reports what is wrong with it.
import { excerpt, fieldIn, type Findings, type Place } from './findings.js';
import type { NamedValue } from './buildspec.js';
import { says, type YamlMap, type YamlNode } from './yaml-tree.js';

const TRUE = /^(yes|true|on|y)$/i;
const FALSE = /^(no|false|off|n)$/i;

/** A key whose value is null counts as absent everywhere. Every verb tells `findings` what it does not like and goes on. */
export class Section {
  constructor(
    /** Dotted path of the map; empty for the top level. */
    readonly field: string,
    private readonly map: YamlMap,
    private readonly findings: Findings,
  ) {
    findings.note(field, map.place);
  }

  get place(): Place {
    return this.map.place;
  }

  /** The same map, which tells what it finds to others. */
  toldTo(findings: Findings): Section {
    return new Section(this.field, this.map, findings);
  }

  get keys(): string[] {
    return [...this.map.entries.keys()];
  }

  /** Dotted path of a key. */
  path(key: string): string {
    return fieldIn(this.field, key);
  }

  /** The value of a key, its place noted; null when absent or null. */
  node(key: string): YamlNode | null {
    const entry = this.map.entries.get(key);
    if (entry === undefined) return null;
    this.findings.note(this.path(key), entry.value.kind === 'null' ? entry.keyPlace : entry.value.place);
    return entry.value.kind === 'null' ? null : entry.value;
  }

  keyPlace(key: string): Place {
    return this.map.entries.get(key)?.keyPlace ?? this.map.place;
  }

  /** Warns of every key that is not among `known`. */
  warnUnknown(known: readonly string[]): void {
    for (const [key, { keyPlace }] of this.map.entries) {
      if (!known.includes(key)) this.findings.warnUnknownKey(this.field, key, known, keyPlace);
    }
  }

  text(key: string): string | null {
    const node = this.node(key);
    if (node === null) return null;
    if (node.kind === 'text') return node.text;
    this.findings.error(this.path(key), 'a text', says(node));
    return null;
  }

  /** YAML 1.1's booleans in any case, quoted or not. */
  flag(key: string): boolean {
    const node = this.node(key);
    if (node === null) return false;
    if (node.kind === 'text' && TRUE.test(node.text)) return true;
    if (node.kind !== 'text' || !FALSE.test(node.text)) this.findings.error(this.path(key), 'yes or no', says(node));
    return false;
  }

  /**
   * A list of texts without its null items; a single text is a list of one.
   * `label`: the list holds commands, which CodeBuild calls by this word when one of them is a map.
   */
  list(key: string, label?: string): string[] {
    const node = this.node(key);
    if (node === null) return [];
    if (node.kind === 'text') return [node.text];
    if (node.kind !== 'list') {
      this.findings.error(this.path(key), 'a list of texts', says(node));
      return [];
    }
    const texts: string[] = [];
    node.items.forEach((item, index) => {
      const field = `${this.path(key)}[${index}]`;
      this.findings.note(field, item.place);
      if (item.kind === 'text') texts.push(item.text);
      else if (item.kind === 'map' && label !== undefined) this.findings.commandIsMap(field, label, index, item.place);
      else if (item.kind !== 'null') this.findings.error(field, 'a text', says(item));
    });
    return texts;
  }

  /** A map of texts, in its order. A null value is an empty text, as in CodeBuild. */
  pairs(key: string): NamedValue[] {
    const section = this.section(key);
    if (section === null) return [];
    const pairs: NamedValue[] = [];
    for (const [name, { value }] of section.map.entries) {
      section.findings.note(section.path(name), section.keyPlace(name));
      if (value.kind === 'text') pairs.push({ name, value: value.text });
      else if (value.kind === 'null') pairs.push({ name, value: '' });
      else this.findings.error(section.path(excerpt(name)), 'a text', says(value), { place: value.place });
    }
    return pairs;
  }

  /** A map under a key; null when absent or (with a finding) when it is something else. */
  section(key: string): Section | null {
    const node = this.node(key);
    if (node === null) return null;
    if (node.kind === 'map') return new Section(this.path(key), node, this.findings);
    this.findings.error(this.path(key), 'a map', says(node));
    return null;
  }

  /** Reports a value that the field does not take. `suggestion`: what it may have been meant to be. */
  refuse(key: string, expected: string, got: string, suggestion: string | null = null): void {
    this.findings.error(this.path(key), expected, got, { suggestion });
  }

  warn(key: string, expected: string, got: string, suggestion: string | null = null): void {
    const entry = this.map.entries.get(key);
    this.findings.warn(this.path(key), expected, got, { place: entry?.keyPlace, suggestion });
  }
}
