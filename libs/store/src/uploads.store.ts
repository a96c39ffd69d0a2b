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
  /** By a build that fetched it; true to LAST_USED_MS. */
  lastUsedAt: Date;
}

/** lastUsedAt is no truer than this, so that a busy upload does not write a row for each build. */
const LAST_USED_MS = 86_400_000;

export class UploadsStore {
  constructor(private readonly db: Database) {}

  async add(upload: Omit<Upload, 'createdAt' | 'lastUsedAt'>): Promise<void> {
    await this.db.models((prisma) => prisma.sourceUpload.create({ data: upload }));
  }

  /** For a build that fetches it: it counts as used. Errors: Refusal UPLOAD_NOT_FOUND, also for what is no uuid. */
  async get(id: string): Promise<Upload> {
    const row = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)
      ? await this.db.models((prisma) => prisma.sourceUpload.findUnique({ where: { id } }))
      : null;
    if (row === null)
      throw new Refusal('UPLOAD_NOT_FOUND', `there is no upload ${id.slice(0, 100)}`, { details: { id } });
    if (Date.now() - row.lastUsedAt.getTime() > LAST_USED_MS) {
      await this.db.query('UPDATE source_upload SET last_used_at = now() WHERE id = $1', [id]);
    }
    return { ...row, sizeBytes: Number(row.sizeBytes) };
  }
}
