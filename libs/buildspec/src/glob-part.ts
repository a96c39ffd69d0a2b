// One part of a file pattern, between two slashes: `*`, `?`, `[...]`, `\` and plain characters, against one name.

/** Tells whether a name (no `/` in it) is meant. */
export type PartMatcher = (name: string) => boolean;

const STAR = Symbol('*');
type Atom = typeof STAR | ((char: string) => boolean);

/** True when a part is more than a plain name. */
export function hasGlob(part: string): boolean {
  return /[*?[\\]/.test(part);
}

/** Works on whole characters (code points). A `[` that nothing closes stands for itself. */
export function compileGlobPart(part: string): PartMatcher {
  if (!hasGlob(part)) return (name) => name === part;
  const atoms = atomsOf([...part]);
  return (name) => matchAtoms(atoms, [...name]);
}

function atomsOf(chars: readonly string[]): Atom[] {
  const atoms: Atom[] = [];
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at] ?? '';
    const end = char === '[' ? endOfClass(chars, at) : -1;
    if (char === '*') {
      if (atoms.at(-1) !== STAR) atoms.push(STAR);
    } else if (char === '?') {
      atoms.push(() => true);
    } else if (end !== -1) {
      atoms.push(classOf(chars.slice(at + 1, end)));
      at = end;
    } else {
      if (char === '\\' && at + 1 < chars.length) at += 1;
      const literal = chars[at] ?? '';
      atoms.push((other) => other === literal);
    }
  }
  return atoms;
}

/** Index of the `]` that closes a class; one right behind `[` or `[!` is a member. -1: there is none. */
function endOfClass(chars: readonly string[], start: number): number {
  const first = chars[start + 1] === '!' || chars[start + 1] === '^' ? start + 2 : start + 1;
  for (let at = first; at < chars.length; at += 1) {
    if (chars[at] === '\\') at += 1;
    else if (chars[at] === ']' && at > first) return at;
  }
  return -1;
}

function classOf(inside: readonly string[]): (char: string) => boolean {
  const negated = inside[0] === '!' || inside[0] === '^';
  const ranges: [number, number][] = [];
  const members = negated ? inside.slice(1) : [...inside];
  const next = (at: number) => (members[at] === '\\' && at + 1 < members.length ? at + 1 : at);
  for (let at = 0; at < members.length; at += 1) {
    at = next(at);
    const from = codeOf(members[at]);
    if (members[at + 1] === '-' && at + 2 < members.length) {
      at = next(at + 2);
      ranges.push([from, codeOf(members[at])]);
    } else {
      ranges.push([from, from]);
    }
  }
  return (char) => {
    const code = codeOf(char);
    return ranges.some(([from, to]) => code >= from && code <= to) !== negated;
  };
}

function codeOf(char: string | undefined): number {
  return char?.codePointAt(0) ?? -1;
}

/** Goes back only to the last star, so it takes at most atoms x characters steps. */
function matchAtoms(atoms: readonly Atom[], chars: readonly string[]): boolean {
  let atom = 0;
  let char = 0;
  let lastStar = -1;
  let lastChar = 0;
  while (char < chars.length) {
    const now = atoms[atom];
    if (now === STAR) {
      lastStar = atom;
      lastChar = char;
      atom += 1;
    } else if (now?.(chars[char] ?? '')) {
      atom += 1;
      char += 1;
    } else if (lastStar >= 0) {
      lastChar += 1;
      atom = lastStar + 1;
      char = lastChar;
    } else {
      return false;
    }
  }
  while (atoms[atom] === STAR) atom += 1;
  return atom === atoms.length;
}
