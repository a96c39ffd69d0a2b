// Built-in PARAMETER_STORE: named values, sealed with the master key before they reach the database.
import { Refusal } from '#core/errors.js';
import type { Database } from './database.js';
import { type Page, readCursor, toPage } from './page.js';
import { type MasterKey, seal, unseal } from './seal.js';

export interface ParameterInfo {
  name: string;
  /** Counts up from 1 with each put. */
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export class ParametersStore {
  constructor(
    private readonly db: Database,
    private readonly key: MasterKey,
  ) {}

  /** Sets a value; a version more than the one before. */
  async put(name: string, value: string): Promise<{ name: string; version: number }> {
    const sealed = new Uint8Array(seal(this.key, { kind: 'parameter', name }, value));
    return this.db.models((prisma) =>
      prisma.parameter.upsert({
        where: { name },
        create: { name, sealed },
        update: { sealed, version: { increment: 1 }, updatedAt: new Date() },
        select: { name: true, version: true },
      }),
    );
  }

  /** Errors: Refusal PARAMETER_NOT_FOUND; Fault INTERNAL when it was sealed with another master key. */
  async value(name: string): Promise<string> {
    const row = await this.db.models((prisma) => prisma.parameter.findUnique({ where: { name } }));
    if (row === null) {
      throw new Refusal('PARAMETER_NOT_FOUND', `there is no parameter named ${name}`, { details: { name } });
    }
    return unseal(this.key, { kind: 'parameter', name }, row.sealed);
  }

  /** A page by name, without values. Errors: Refusal INVALID_INPUT (cursor). */
  async list(cursor: string | undefined, limit: number): Promise<Page<ParameterInfo>> {
    const after = readCursor(cursor, 1)?.[0];
    const rows = await this.db.models((prisma) =>
      prisma.parameter.findMany({
        ...(after === undefined ? {} : { where: { name: { gt: after } } }),
        select: { name: true, version: true, createdAt: true, updatedAt: true },
        orderBy: { name: 'asc' },
        take: limit + 1,
      }),
    );
    return toPage(
      rows,
      limit,
      (row) => row,
      (row) => [row.name],
    );
  }

  /** Out: false when there was none. */
  async delete(name: string): Promise<boolean> {
    return (await this.db.models((prisma) => prisma.parameter.deleteMany({ where: { name } }))).count > 0;
  }
}
