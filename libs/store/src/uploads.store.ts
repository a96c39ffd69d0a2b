// Uploaded source archives, which a source location names as `upload:<id>`.
import { Refusal } from '#core/errors.js';
import type { Database } from './database.js';

export interface Upload {
  /** uuid. */
  id: string;
  /** `zip`, `tar.gz`: how to unpack it. */
  format: string;
  sizeBytes: number;
  sha256: string;
  /** Key in the blob store. */
  location: string;
  createdAt: Date;
}

export class UploadsStore {
  constructor(private readonly db: Database) {}

  async add(upload: Omit<Upload, 'createdAt'>): Promise<void> {
    await this.db.models((prisma) => prisma.sourceUpload.create({ data: upload }));
  }

  /** Errors: Refusal UPLOAD_NOT_FOUND, also for what is no uuid. */
  async get(id: string): Promise<Upload> {
    const row = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)
      ? await this.db.models((prisma) => prisma.sourceUpload.findUnique({ where: { id } }))
      : null;
    if (row === null)
      throw new Refusal('UPLOAD_NOT_FOUND', `there is no upload ${id.slice(0, 100)}`, { details: { id } });
    return { ...row, sizeBytes: Number(row.sizeBytes) };
  }
}
