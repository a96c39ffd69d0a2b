// Parameters and secrets look alike from outside: a value goes in and never comes out.
import { z } from 'zod';
import { timestamp } from '../projects/project.dto.js';
import { pageOf, pageQuery } from './page.dto.js';

export const MAX_SEALED_BYTES = 65_536;

export const sealedValueBody = z
  .strictObject({
    value: z
      .string()
      .min(1)
      .refine((value) => Buffer.byteLength(value) <= MAX_SEALED_BYTES, `at most ${MAX_SEALED_BYTES} bytes`),
  })
  .meta({ id: 'SealedValue', description: 'Stored encrypted; no route gives it back.' });

export const sealedValueWritten = z
  .object({ name: z.string(), version: z.int().meta({ description: 'Counts up with each new value.' }) })
  .meta({ id: 'SealedValueWritten' });

const versionId = z.uuid().meta({ description: 'Of the present version, for references that name one.' });
export const secretWritten = sealedValueWritten.extend({ versionId }).meta({ id: 'SecretWritten' });

export const sealedValueEntry = z
  .object({ name: z.string(), version: z.int(), createdAt: timestamp, updatedAt: timestamp })
  .meta({ id: 'SealedValueEntry' });

export const sealedValuePage = pageOf('SealedValuePage', sealedValueEntry);
export const secretEntry = sealedValueEntry.extend({ versionId }).meta({ id: 'SecretEntry' });
export const secretPage = pageOf('SecretPage', secretEntry);
export const listSealedValuesQuery = z.strictObject(pageQuery);

export interface SealedEntry {
  name: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export function toSealedValueEntry(entry: SealedEntry): z.infer<typeof sealedValueEntry> {
  const { name, version, createdAt, updatedAt } = entry;
  return { name, version, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() };
}

export const EXAMPLE_ENTRY = {
  name: 'app/db/host',
  version: 1,
  createdAt: '2026-01-05T09:00:00.000Z',
  updatedAt: '2026-01-05T09:00:00.000Z',
};

export const EXAMPLE_VERSION_ID = '5d1b9f5e-3c0a-4b7e-9b0f-2f4c6a8e0d12';
