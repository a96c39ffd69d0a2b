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
import { buildspecInvalid, excerpt, Findings, type Place } from './findings.js';
import { MAX_BUILDSPEC_DEPTH, MAX_BUILDSPEC_NODES } from './limits.js';
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

/**
 * Reads the first document of a YAML text.
 * Out: its root; nodes behind an alias are shared, never copied. Plain `~`, `null` and nothing at all are null, in YAML 1.1's spellings.
 * Merge keys (`<<`) are resolved, own keys winning. Tags are ignored with a warning, and so are further documents.
 * Errors: Refusal BUILDSPEC_INVALID with all findings: what is not YAML, duplicate keys, unknown aliases, passed limits (limits.ts).
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
  const root = new TreeBuilder(findings, placeOf).build(document.contents);
  findings.refuse();
  return root;
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
      findings.warn('', 'one YAML document', 'several; all after the first are ignored', place);
    } else if (!seen.has(place.line)) {
      seen.add(place.line);
      findings.error('', 'well-formed YAML', excerpt(message, 200), place);
    }
  }
  for (const { message, pos } of document.warnings) {
    if (!message.includes('tag:yaml.org,2002:')) {
      findings.warn('', 'plain YAML', `${excerpt(message, 200)} (ignored)`, placeOf(pos[0]));
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
    return this.node(contents, { line: 1, column: 1 }, 0);
  }

  private node(node: unknown, fallback: Place, depth: number): YamlNode {
    if (isAlias(node)) return this.alias(node.source, this.at(node.range, fallback));
    if (depth > MAX_BUILDSPEC_DEPTH) throw buildspecInvalid([{ ...tooDeep(), ...fallback }]);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return this.spend({ kind: 'null', place: fallback, size: 1 });
    const place = this.at(node.range, fallback);
    const built = isScalar(node)
      ? this.scalar(String(node.value ?? ''), node.type, place)
      : isMap(node)
        ? this.map(node, place, depth)
        : this.list(node, place, depth);
    if (node.anchor !== undefined) this.anchors.set(node.anchor, built);
    return built;
  }

  private scalar(text: string, type: unknown, place: Place): YamlNode {
    if (text.includes('\0')) this.findings.error('', 'text without a NUL character', 'a NUL character', place);
    const isNull = type === 'PLAIN' && (text === '' || /^(~|null|Null|NULL)$/.test(text));
    return this.spend(isNull ? { kind: 'null', place, size: 1 } : { kind: 'text', text, place, size: 1 });
  }

  private alias(name: string, place: Place): YamlNode {
    const target = this.anchors.get(name);
    if (target !== undefined) return this.spend(target);
    this.findings.error('', `an anchor &${excerpt(name)} before its alias`, 'none', place);
    return { kind: 'null', place, size: 1 };
  }

  private list(seq: YAMLSeq, place: Place, depth: number): YamlList {
    const items = seq.items.map((item) => this.node(item, place, depth + 1));
    this.work += 1;
    return { kind: 'list', items, place, size: items.reduce((sum, item) => sum + item.size, 1) };
  }

  private map(map: YAMLMap, place: Place, depth: number): YamlMap {
    const own: Entries = new Map();
    const merged: Entries = new Map();
    for (const { key, value } of map.items) {
      const keyNode = this.node(key, place, depth + 1);
      const valueNode = this.node(value, keyNode.place, depth + 1);
      if (keyNode.kind !== 'text') {
        this.findings.error('', 'a plain text as key', says(keyNode), keyNode.place);
      } else if (keyNode.text === '<<' && isScalar(key) && key.type === 'PLAIN') {
        this.merge(valueNode, merged);
      } else if (own.has(keyNode.text)) {
        this.findings.error(keyNode.text, 'a key only once in its map', 'it again', keyNode.place);
      } else {
        own.set(keyNode.text, { keyPlace: keyNode.place, value: valueNode });
      }
    }
    for (const [key, entry] of merged) if (!own.has(key)) own.set(key, entry);
    this.work += 1;
    let size = 1;
    for (const { value } of own.values()) size += value.size;
    return { kind: 'map', entries: own, place, size };
  }

  /** Of several merged maps the first that has a key wins (YAML 1.1 merge type). Their aliases were paid for when they were read. */
  private merge(value: YamlNode, into: Entries): void {
    for (const part of value.kind === 'list' ? value.items : [value]) {
      if (part.kind !== 'map') {
        this.findings.error('<<', 'a map, or a list of maps', says(part), part.place);
        continue;
      }
      for (const [key, entry] of part.entries) if (!into.has(key)) into.set(key, entry);
    }
  }

  private spend<N extends YamlNode>(node: N): N {
    this.work += node.size;
    if (this.work > MAX_BUILDSPEC_NODES) {
      const finding: Finding = tooMuch(
        MAX_BUILDSPEC_NODES,
        'values, aliases written out',
        'MAX_BUILDSPEC_NODES',
        'more',
      );
      throw buildspecInvalid([{ ...finding, ...node.place }]);
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
