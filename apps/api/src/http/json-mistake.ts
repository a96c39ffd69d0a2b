// Finds where a text stops being JSON. The runtime's parser says so only for some mistakes, and differently in each version.

const TOKEN =
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\0-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

type Wanted = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end' | 'nothing';

/** In: a text that is no JSON. Out: the offset (UTF-16) of the first token that does not fit; the text's length when it ends too early. */
export function jsonMistake(text: string): number {
  const open: string[] = [];
  let wanted: Wanted = 'value';
  for (let at = 0; ;) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const start = at + (/^[ \t\r\n]*/.exec(text.slice(at))?.[0].length ?? 0);
    if (match === null) return start;
    const next = step(wanted, match[1] ?? (match[2] === undefined ? 'scalar' : 'string'), open);
    if (next === null) return start;
    wanted = next;
    at = TOKEN.lastIndex;
  }
}

function step(wanted: Wanted, token: string, open: string[]): Wanted | null {
  const after = (): Wanted => (open.length === 0 ? 'nothing' : ', or end');
  const close = (): Wanted => {
    open.pop();
    return after();
  };
  switch (wanted) {
    case 'value':
    case 'value or ]':
      if (token === 'scalar' || token === 'string') return after();
      if (token === '{' || token === '[') {
        open.push(token === '{' ? '}' : ']');
        return token === '{' ? 'key or }' : 'value or ]';
      }
      return token === ']' && wanted === 'value or ]' ? close() : null;
    case 'key':
    case 'key or }':
      if (token === 'string') return ':';
      return token === '}' && wanted === 'key or }' ? close() : null;
    case ':':
      return token === ':' ? 'value' : null;
    case ', or end':
      if (token === ',') return open.at(-1) === '}' ? 'key' : 'value';
      return token === open.at(-1) ? close() : null;
    case 'nothing':
      return null;
  }
}
