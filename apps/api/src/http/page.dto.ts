// Paging as every list has it: a limit and an opaque cursor.
import { z } from 'zod';

export const MAX_PAGE = 100;
export const DEFAULT_PAGE = 50;

/** A whole number in a query, where everything arrives as text. The bounds also go into the documentation (docs/schemas.ts). */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d{1,15}$/, 'a whole number')
    .meta({ wholeNumber: { minimum: min, maximum: max } })
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));

export const pageQuery = {
  cursor: z
    .string()
    .min(1)
    .max(512)
    .optional()
    .meta({ description: '`nextCursor` of the page before; absent: the first page.' }),
  limit: wholeNumber(1, MAX_PAGE)
    .default(DEFAULT_PAGE)
    .meta({ description: `Entries of a page, 1 to ${MAX_PAGE}.` }),
};

/** A page as it is answered. */
export const pageOf = <T extends z.ZodType>(id: string, items: T) =>
  z
    .object({
      items: z.array(items),
      nextCursor: z.string().nullable().meta({ description: 'Cursor of the next page; null on the last.' }),
    })
    .meta({ id });
