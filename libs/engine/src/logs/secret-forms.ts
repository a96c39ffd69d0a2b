// The ways in which a secret shows up in a build's output: as it is, and as common tools write it.
// Called by mask.ts alone. It knows encodings, not streams: every form is a plain sequence of bytes to look for.

/** Shortest secret, and shortest form of one, that is masked (bytes, without surrounding white space). Shorter ones would star out common text. */
export const MIN_SECRET_LENGTH = 4;

/** Line lengths at which base64 (GNU: 76, openssl and PEM: 64) and hex dumps (xxd -p: 60) wrap. */
const BASE64_WRAPS = [76, 64];
const HEX_WRAP = 60;

type Encode = (value: Buffer) => string[];

/** Tells whether a value is long enough to be masked; the caller says so to the user where it is not. */
export function isMaskable(secret: string): boolean {
  return Buffer.byteLength(secret.trim()) >= MIN_SECRET_LENGTH;
}

/**
 * All byte sequences by which a secret is recognised; none twice, none shorter than MIN_SECRET_LENGTH.
 * In: one secret, any text. White space around it is no part of it: every encoding of the rest lies inside that of the whole.
 * Out: empty for a secret that is too short. The lines of a secret of several lines count as secrets of their own.
 * Source: actions/runner ADR 0297 for the base64 offsets and for masking line by line.
 */
export function secretForms(secret: string): Buffer[] {
  const whole = secret.trim();
  if (!isMaskable(whole)) return [];
  const forms = new Set<string>();
  const unix = whole.replaceAll(/\r\n?/g, '\n');
  for (const value of new Set([whole, unix, ...unix.split('\n').map((line) => line.trim())])) {
    if (!isMaskable(value)) continue;
    for (const form of encodingsOf(Buffer.from(value))) forms.add(form);
  }
  forms.add(Buffer.from(unix.replaceAll('\n', '\r\n')).toString('latin1'));
  return [...forms].filter((form) => form.length >= MIN_SECRET_LENGTH).map((form) => Buffer.from(form, 'latin1'));
}

/** Every encoding of one value. The strings are latin1: one char is one byte. */
function encodingsOf(value: Buffer): string[] {
  const encoders: Encode[] = [
    (v) => [v.toString('latin1')],
    base64Forms,
    hexForms,
    uriForms,
    jsonForms,
    goForms,
    shellForms,
    xmlForms,
  ];
  return encoders.flatMap((encode) => encode(value));
}

/**
 * Base64 as the value looks inside a longer encoded text: at each of the three offsets, only the chars that the value alone decides.
 * So padding and the chars shared with a neighbour are trimmed. At offset 0 also wrapped into lines.
 */
function base64Forms(value: Buffer): string[] {
  const forms: string[] = [];
  for (let offset = 0; offset < 3; offset += 1) {
    const whole = Buffer.concat([Buffer.alloc(offset), value]).toString('base64');
    const first = Math.ceil((offset * 8) / 6);
    const end = Math.floor(((offset + value.length) * 8) / 6);
    const own = whole.slice(first, end);
    forms.push(own, own.replaceAll('+', '-').replaceAll('/', '_'));
    if (offset === 0) forms.push(...BASE64_WRAPS.map((width) => wrap(own, width)));
  }
  return forms;
}

function hexForms(value: Buffer): string[] {
  const hex = value.toString('hex');
  return [hex, hex.toUpperCase(), wrap(hex, HEX_WRAP)];
}

function wrap(text: string, width: number): string {
  return text.length <= width ? text : text.match(new RegExp(`.{1,${width}}`, 'g'))!.join('\n');
}

/** Percent encoding by what each tool leaves alone: encodeURIComponent, RFC 3986, Python's quote, whole URLs, and forms with `+`. */
function uriForms(value: Buffer): string[] {
  const kept = [/[A-Za-z0-9\-_.!~*'()]/, /[A-Za-z0-9\-_.~]/, /[A-Za-z0-9\-_.~/]/, /[A-Za-z0-9\-_.!~*'();,/?:@&=+$#]/];
  const forms = kept.map((keep) => percent(value, keep));
  forms.push(percent(value, /[A-Za-z0-9\-_.*]/).replaceAll('%20', '+'));
  forms.push(percent(value, /[A-Za-z0-9\-_.~]/).replaceAll('%20', '+'));
  return forms.flatMap((form) => [form, form.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]);
}

function percent(value: Buffer, keep: RegExp): string {
  return mapChars(value.toString('latin1'), (char) => (keep.test(char) ? char : `%${hexOf(char, 2).toUpperCase()}`));
}

/** JSON with UTF-8 kept, in ASCII only (Python), with `\/` (PHP), and safe for HTML (Go). */
function jsonForms(value: Buffer): string[] {
  const json = JSON.stringify(value.toString('utf8')).slice(1, -1);
  const ascii = mapUnits(json, (unit) => (unit > '\x7f' ? `\\u${hexOf(unit, 4)}` : unit));
  const html = json.replaceAll(/[<>&]/g, (char) => `\\u${hexOf(char, 4)}`);
  return [json, ascii, json.replaceAll('/', '\\/'), html].map(asLatin1);
}

const GO_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** Go's %q: JSON but for the control chars. */
function goForms(value: Buffer): string[] {
  return [
    mapChars(value.toString('latin1'), (char) => {
      return GO_ESCAPES[char] ?? (char < ' ' || char === '\x7f' ? `\\x${hexOf(char, 2)}` : char);
    }),
  ];
}

/** Inside single quotes (two ways out of them), inside double quotes, backslashed (`printf %q`), and as `$'…'` (`set -x`). */
function shellForms(value: Buffer): string[] {
  const text = value.toString('latin1');
  const ansi = mapChars(text, (char) => (char === '"' ? char : char === "'" ? "\\'" : (GO_ESCAPES[char] ?? char)));
  return [
    text.replaceAll("'", "'\\''"),
    text.replaceAll("'", `'"'"'`),
    text.replaceAll(/[\\"$`]/g, '\\$&'),
    text.replaceAll(/[^A-Za-z0-9_.,:/@%+=\-\n\x80-\xff]/g, '\\$&'),
    ansi,
  ];
}

/** XML and HTML text, and attributes in the spellings of the usual libraries. */
function xmlForms(value: Buffer): string[] {
  const text = value.toString('latin1').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const quoted = text.replaceAll('"', '&quot;');
  const apostrophes = ['&apos;', '&#39;', '&#x27;'].map((entity) => quoted.replaceAll("'", entity));
  return [text, quoted, ...apostrophes, text.replaceAll('"', '&#34;').replaceAll("'", '&#39;')];
}

function mapChars(latin1: string, change: (char: string) => string): string {
  return latin1.replaceAll(/[^]/g, change);
}

function mapUnits(text: string, change: (unit: string) => string): string {
  return text.replaceAll(/[^]/g, change);
}

function hexOf(char: string, digits: number): string {
  return char.charCodeAt(0).toString(16).padStart(digits, '0');
}

function asLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
