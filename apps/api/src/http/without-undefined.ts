// Optional fields that were left out stay out: zod hands them on as absent or undefined, the store's types know only absent.

/** A copy without fields that are undefined, at any depth of plain objects and lists. */
export function withoutUndefined<T>(value: Undefinable<T>): T {
  return strip(value) as T;
}

/** T with `undefined` allowed wherever a field is optional. */
export type Undefinable<T> = T extends readonly (infer E)[]
  ? Undefinable<E>[]
  : T extends object
    ? { [K in keyof T]: Undefinable<T[K]> | (undefined extends T[K] ? undefined : never) }
    : T;

function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strip);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [key, strip(field)]),
  );
}
