// The engine's seal for what it keeps of a run on disk: a key of this process alone, gone with it.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { RecordSeal } from '#engine/ports.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class RunSeal extends RecordSeal {
  readonly #key = randomBytes(32);

  seal(text: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  open(sealed: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    return decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  }
}
