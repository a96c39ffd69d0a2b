// Reads XML as a stream of elements. Nothing outside the file is ever fetched, no entity is expanded but XML's own five, and depth is bounded.
import saxes from 'saxes';
import { BrokenReport, shown } from './broken-report.js';
import { MAX_DEPTH } from './limits.js';

export interface XmlElement {
  /** Without a namespace prefix. */
  name: string;
  attributes: Readonly<Record<string, string>>;
}

export interface XmlHandler {
  /** `depth`: 0 for the root. */
  open?(element: XmlElement, depth: number): void;
  /** Text and CDATA, in pieces. */
  text?(text: string): void;
  close?(name: string, depth: number): void;
}

/**
 * Tells `handler` of every element in its order.
 * In: the file's text in pieces; the names that its root may have.
 * Errors: BrokenReport, with line and column, for what is not well-formed, cut off, too deep, of another root or declares entities.
 */
export function readXml(pieces: Iterable<string>, roots: readonly string[], handler: XmlHandler): void {
  const parser = new saxes.SaxesParser({ xmlns: false, position: true });
  // a handler throws through the parser: what it throws is told as it is
  parser.on('error', (error) => {
    throw new BrokenReport(`not well-formed XML: ${error.message}`);
  });
  parser.on('doctype', (doctype) => {
    if (doctype.includes('['))
      throw new BrokenReport('expected no declarations in its DOCTYPE, got some (entities are not read)');
  });
  let depth = 0;
  parser.on('opentag', ({ name, attributes }) => {
    if (depth >= MAX_DEPTH)
      throw new BrokenReport(`expected at most ${MAX_DEPTH} elements inside each other, got more`);
    const element = { name: localName(name), attributes: attributes as Record<string, string> };
    if (depth === 0 && !roots.includes(element.name))
      throw new BrokenReport(`expected the root element ${roots.join(' or ')}, got ${shown(element.name)}`);
    handler.open?.(element, depth);
    depth += 1;
  });
  parser.on('closetag', ({ name }) => {
    depth -= 1;
    handler.close?.(localName(name), depth);
  });
  const text = (piece: string): void => handler.text?.(piece);
  parser.on('text', text);
  parser.on('cdata', text);
  let empty = true;
  for (const piece of pieces) {
    if (piece === '') continue;
    empty = false;
    parser.write(piece);
  }
  if (empty) throw new BrokenReport('the file is empty');
  parser.close();
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
