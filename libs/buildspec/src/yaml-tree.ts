// YAML text to a tree of plain nodes with places: the only file that knows how the yaml package composes a document.
// Scalars keep their source text (unquoted 3.10 stays "3.10", yes stays "yes"); what they mean is decided by the field that reads them.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { messageOf, type Finding } from '#core/errors.js';
import { buildspecInvalid, excerpt, fieldIn, Findings, type Place } from './findings.js';
import { MAX_BUILDSPEC_DEPTH, MAX_BUILDSPEC_NODES } from './limits.js';
import { closest } from './suggest.js';
import { guardYaml, tooDeep, tooMuch } from './yaml-guard.js';

interface NodeBase {
  place: Place;
  /** Values in it, itself included, aliases written out. */
  size: number;
}
export type YamlText = NodeBase & { kind: 'text'; text: string };
export type YamlNull = NodeBase & { kind: 'null' };
export type YamlList = NodeBase & { kind: 'list'; items: YamlNode[] };
export type YamlMap = NodeBase & { kind: 'map'; entries: ReadonlyMap<string, YamlEntry> };
export type YamlNode = YamlText | YamlNull | YamlList | YamlMap;
export interface YamlEntry {
  keyPlace: Place;
  value: YamlNode;
}

type Entries = Map<string, YamlEntry>;

/** Where the walk stands. `place`: the nearest one around, for a node without one. */
interface Spot {
  path: string;
  place: Place;
  depth: number;
}

const MOST_ANCHORS_COMPARED = 100;

/**
 * Reads the first document of a YAML text.
 * Out: its root; nodes behind an alias are shared, never copied. Plain `~`, `null` and nothing at all are null, in YAML 1.1's spellings.
 * Merge keys (`<<`) are resolved, own keys winning. Tags are ignored with a warning, and so are further documents.
 * Duplicate keys (the first counts), unknown aliases (null) and the like are told to `findings`, and reading goes on.
 * Errors: Refusal BUILDSPEC_INVALID for what is not YAML, with every syntax error, and for a passed limit (limits.ts).
 */
export function readYaml(text: string, findings: Findings): YamlNode {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const refused = guardYaml(source);
  if (refused) throw buildspecInvalid([refused]);
  const lines = new LineCounter();
  const document = compose(source, lines);
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  reportSyntax(document, placeOf, findings);
  findings.refuse();
  return new TreeBuilder(findings, placeOf).build(document.contents);
}

function compose(source: string, lineCounter: LineCounter): Document.Parsed {
  try {
    // failsafe: every scalar is text. uniqueKeys is checked by TreeBuilder, because here it takes quadratic time.
    return parseDocument(source, {
      version: '1.1',
      schema: 'failsafe',
      uniqueKeys: false,
      prettyErrors: false,
      lineCounter,
    });
  } catch (cause) {
    throw buildspecInvalid([{ field: '', expected: 'well-formed YAML', got: excerpt(messageOf(cause), 200) }], cause);
  }
}

/** One finding per line: the parser reports what follows from a first mistake too. */
function reportSyntax(document: Document.Parsed, placeOf: (offset: number) => Place, findings: Findings): void {
  const seen = new Set<number>();
  for (const { code, message, pos } of document.errors) {
    const place = placeOf(pos[0]);
    if (code === 'MULTIPLE_DOCS') {
      findings.warn('', 'one YAML document', 'several; all after the first are ignored', { place });
    } else if (!seen.has(place.line)) {
      seen.add(place.line);
      findings.error('', 'well-formed YAML', excerpt(message, 200), { place });
    }
  }
  for (const { message, pos } of document.warnings) {
    if (!message.includes('tag:yaml.org,2002:')) {
      findings.warn('', 'plain YAML', `${excerpt(message, 200)} (ignored)`, { place: placeOf(pos[0]) });
    }
  }
}

/** Walks the document once, in its order, so that an alias finds the latest anchor before it. */
class TreeBuilder {
  private readonly anchors = new Map<string, YamlNode>();
  private work = 0;

  constructor(
    private readonly findings: Findings,
    private readonly placeOf: (offset: number) => Place,
  ) {}

  build(contents: unknown): YamlNode {
    return this.node(contents, { path: '', place: { line: 1, column: 1 }, depth: 0 });
  }

  private node(node: unknown, spot: Spot): YamlNode {
    if (isAlias(node)) return this.alias(node.source, { ...spot, place: this.at(node.range, spot.place) });
    if (spot.depth > MAX_BUILDSPEC_DEPTH) throw buildspecInvalid([{ ...tooDeep(), ...spot.place }]);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) {
      return this.spend({ kind: 'null', place: spot.place, size: 1 });
    }
    const here = { ...spot, place: this.at(node.range, spot.place) };
    const built = isScalar(node)
      ? this.scalar(String(node.value ?? ''), node.type, here)
      : isMap(node)
        ? this.map(node, here)
        : this.list(node, here);
    if (node.anchor !== undefined) this.anchors.set(node.anchor, built);
    return built;
  }

  private scalar(text: string, type: unknown, { path, place }: Spot): YamlNode {
    if (text.includes('\0')) this.findings.error(path, 'text without a NUL character', 'a NUL character', { place });
    const isNull = type === 'PLAIN' && (text === '' || /^(~|null|Null|NULL)$/.test(text));
    return this.spend(isNull ? { kind: 'null', place, size: 1 } : { kind: 'text', text, place, size: 1 });
  }

  private alias(name: string, { path, place }: Spot): YamlNode {
    const target = this.anchors.get(name);
    if (target !== undefined) return this.spend(target, place);
    const suggestion = closest(name, [...this.anchors.keys()].slice(0, MOST_ANCHORS_COMPARED));
    const meant = suggestion === null ? null : `*${suggestion}`;
    this.findings.error(path, `an anchor &${excerpt(name)} before its alias`, 'none', { place, suggestion: meant });
    return { kind: 'null', place, size: 1 };
  }

  private list(seq: YAMLSeq, { path, place, depth }: Spot): YamlList {
    const items = seq.items.map((item, index) =>
      this.node(item, { path: `${path}[${index}]`, place, depth: depth + 1 }),
    );
    this.work += 1;
    return { kind: 'list', items, place, size: items.reduce((sum, item) => sum + item.size, 1) };
  }

  private map(map: YAMLMap, { path, place, depth }: Spot): YamlMap {
    const own: Entries = new Map();
    const merged: Entries = new Map();
    for (const { key, value } of map.items) {
      const keyNode = this.node(key, { path, place, depth: depth + 1 });
      const field = keyNode.kind === 'text' ? fieldIn(path, keyNode.text) : path;
      const valueNode = this.node(value, { path: field, place: keyNode.place, depth: depth + 1 });
      if (keyNode.kind !== 'text') {
        this.findings.error(path, 'a plain text as key', says(keyNode), { place: keyNode.place });
      } else if (keyNode.text === '<<' && isScalar(key) && key.type === 'PLAIN') {
        this.merge(valueNode, merged, field);
      } else {
        const first = own.get(keyNode.text);
        if (first === undefined) own.set(keyNode.text, { keyPlace: keyNode.place, value: valueNode });
        else {
          const got = `it again (first at line ${first.keyPlace.line})`;
          this.findings.error(field, 'a key only once in its map', got, { place: keyNode.place });
        }
      }
    }
    for (const [key, entry] of merged) if (!own.has(key)) own.set(key, entry);
    this.work += 1;
    let size = 1;
    for (const { value } of own.values()) size += value.size;
    return { kind: 'map', entries: own, place, size };
  }

  /** Of several merged maps the first that has a key wins (YAML 1.1 merge type). Their aliases were paid for when they were read. */
  private merge(value: YamlNode, into: Entries, field: string): void {
    for (const part of value.kind === 'list' ? value.items : [value]) {
      if (part.kind !== 'map') {
        this.findings.error(field, 'a map, or a list of maps', says(part), { place: part.place });
        continue;
      }
      for (const [key, entry] of part.entries) if (!into.has(key)) into.set(key, entry);
    }
  }

  private spend<N extends YamlNode>(node: N, place = node.place): N {
    this.work += node.size;
    if (this.work > MAX_BUILDSPEC_NODES) {
      const finding: Finding = tooMuch(
        MAX_BUILDSPEC_NODES,
        'values, aliases written out',
        'MAX_BUILDSPEC_NODES',
        'more',
      );
      throw buildspecInvalid([{ ...finding, ...place }]);
    }
    return node;
  }

  private at(range: readonly number[] | null | undefined, fallback: Place): Place {
    return range?.[0] === undefined ? fallback : this.placeOf(range[0]);
  }
}

/** What a node is, for a finding; a text is quoted in short. */
export function says(node: YamlNode): string {
  if (node.kind === 'text') return excerpt(node.text) || 'an empty text';
  return node.kind === 'null' ? 'nothing' : `a ${node.kind}`;
}
