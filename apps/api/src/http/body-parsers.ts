// How bodies are read: JSON and YAML as strict UTF-8 up to a limit, archives as a stream. Any other type is refused (415).
import { constants } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { HttpRefusal } from './http-refusal.js';
import { jsonMistake } from './json-mistake.js';

export const JSON_TYPES = ['application/json', 'application/problem+json'];
export const YAML_TYPES = ['text/yaml', 'application/yaml', 'application/x-yaml', 'text/plain'];
/** Types of source archives; the handler gets the stream itself. */
export const ARCHIVE_TYPES = ['application/zip', 'application/gzip', 'application/x-gzip', 'application/x-gtar'];

/** Nesting deeper than this is an attack on whoever walks it. */
export const MAX_JSON_DEPTH = 64;

export function addBodyParsers(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch (thrown) {
      done(thrown as Error, undefined);
    }
  });
  server.addContentTypeParser(YAML_TYPES, { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, decode(body as Buffer));
    } catch (thrown) {
      done(thrown as Error, undefined);
    }
  });
  server.addContentTypeParser(ARCHIVE_TYPES, (_request, payload, done) => done(null, payload));
}

/**
 * In: the bytes of a body. Out: its value; `undefined` for an empty body.
 * Errors: HttpRefusal MALFORMED_BODY with line and column of the mistake; also for bad UTF-8, `__proto__` and deep nesting.
 */
export function parseJson(body: Buffer): unknown {
  const text = decode(body);
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text, refuseProto);
  } catch (thrown) {
    if (thrown instanceof HttpRefusal) throw thrown;
    throw malformedJson(text, thrown);
  }
  if (depthOf(value) > MAX_JSON_DEPTH) {
    throw malformed(`expected JSON of at most ${MAX_JSON_DEPTH} levels, got more`);
  }
  return value;
}

function decode(body: Buffer): string {
  if (body.length > constants.MAX_STRING_LENGTH) throw malformed('expected a body that fits into memory');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw malformed(`expected UTF-8, got a byte that is none at offset ${firstBadByte(body)}`, cause);
  }
}

function firstBadByte(body: Buffer): number {
  let good = 0;
  let bad = body.length;
  while (good + 1 < bad) {
    const middle = (good + bad) >> 1;
    if (startsWell(body.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

/** True when the bytes are UTF-8, but for a sequence that is cut at the end. */
function startsWell(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false; // the only error of a fatal decoder is bad input, which is the answer here
  }
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw malformed('expected no field named __proto__');
  return value;
}

function malformedJson(text: string, cause: unknown): HttpRefusal {
  const at = jsonMistake(text);
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  const got = at >= text.length ? 'the end of the body' : JSON.stringify(text.slice(at, at + 20));
  return new HttpRefusal('MALFORMED_BODY', `expected JSON, got ${got} at line ${line}, column ${column}`, {
    cause,
    findings: [{ field: '', expected: 'JSON', got, line, column }],
  });
}

function malformed(message: string, cause?: unknown): HttpRefusal {
  return new HttpRefusal('MALFORMED_BODY', message, { cause });
}

function depthOf(value: unknown): number {
  let level: unknown[] = [value];
  for (let depth = 0; ; depth++) {
    const next = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
    if (next.length === 0 || depth > MAX_JSON_DEPTH) return depth;
    level = next;
  }
}
