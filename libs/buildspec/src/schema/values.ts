// The small parts that the buildspec's schema is made of. YAML 1.1 reads `yes` as a boolean and `3.10` as a number, 1.2 the first as a
// text: each part takes what either makes of a value that the parser takes. null counts as absent everywhere.

export type JsonSchema = { [keyword: string]: unknown };

const SCALARS = ['string', 'number', 'boolean'];

/** A single value, or none. `pattern` and the like bind texts alone. */
export function text(description: string): JsonSchema {
  return { description, type: [...SCALARS, 'null'] };
}

/** A list of texts, or a single one. */
export function texts(description: string, item: JsonSchema = {}): JsonSchema {
  return {
    description,
    type: ['array', ...SCALARS, 'null'],
    ...item,
    items: { type: [...SCALARS, 'null'], ...item },
  };
}

/** A list with one text at least; to be laid over `texts`. */
export const NOT_EMPTY: JsonSchema = { type: ['array', ...SCALARS], contains: { not: { type: 'null' } } };

export function flag(description: string): JsonSchema {
  return {
    description: `${description} yes or no.`,
    type: ['boolean', 'string', 'null'],
    pattern: `^(${['yes', 'no', 'true', 'false', 'on', 'off', 'y', 'n'].map(caseless).join('|')})$`,
  };
}

/** One of some words, in any case. */
export function word(description: string, words: readonly string[]): JsonSchema {
  return {
    description,
    type: ['string', 'null'],
    pattern: `^(${words.map(caseless).join('|')})$`,
    examples: [...words],
  };
}

/** A map with known keys and no others. */
export function section(
  description: string,
  properties: Record<string, JsonSchema>,
  more: JsonSchema = {},
): JsonSchema {
  return { description, type: ['object', 'null'], additionalProperties: false, properties, ...more };
}

/** JSON Schema has no flag for it. */
export function caseless(letters: string): string {
  return letters.replace(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);
}
