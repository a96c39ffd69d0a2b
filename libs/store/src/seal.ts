// Seals parameters and secrets with the master key: AES-256-GCM. Knows nothing of where the sealed bytes lie.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { Fault, messageOf, Refusal } from '#core/errors.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of the key's SHA-256: tells a wrong key from damaged bytes, and nothing of the key. */
const KEY_MARK_BYTES = 4;
const VERSION = 1;
const HEAD_BYTES = 1 + KEY_MARK_BYTES + NONCE_BYTES;

/** The key itself; prints as `MasterKey(***)` wherever it is shown. */
export class MasterKey {
  readonly #bytes: Buffer;

  /** In: 32 bytes. Errors: Refusal INVALID_INPUT. */
  constructor(bytes: Buffer) {
    if (bytes.length !== KEY_BYTES) throw badKey(`${bytes.length} bytes`);
    this.#bytes = Buffer.from(bytes);
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** First bytes of the key's hash, stored with everything that it seals. */
  get mark(): Buffer {
    return createHash('sha256').update(this.#bytes).digest().subarray(0, KEY_MARK_BYTES);
  }

  toString(): string {
    return 'MasterKey(***)';
  }
  toJSON(): string {
    return this.toString();
  }
  [inspect.custom](): string {
    return this.toString();
  }
}

/**
 * Reads the master key: from `masterKey` (base64) when it is not empty, else from the file `masterKeyFile` (base64, or the 32 bytes).
 * Errors: Refusal INVALID_INPUT that names the setting.
 */
export function readMasterKey(settings: { masterKey: string; masterKeyFile: string }): MasterKey {
  if (settings.masterKey !== '') return new MasterKey(Buffer.from(settings.masterKey.trim(), 'base64'));
  let content: Buffer;
  try {
    content = readFileSync(settings.masterKeyFile);
  } catch (error) {
    throw badKey(`no readable file ${settings.masterKeyFile} (${messageOf(error)})`, error);
  }
  return new MasterKey(content.length === KEY_BYTES ? content : Buffer.from(content.toString('utf8').trim(), 'base64'));
}

/** A fresh key in base64, as MASTER_KEY_FILE holds it. */
export function newMasterKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/**
 * Seals a text. Out: version, mark of the key, nonce (random, 12 bytes), ciphertext, tag.
 * In: `kind` and `name` are bound to it as additional data, so that it opens under no other name.
 */
export function seal(key: MasterKey, place: { kind: string; name: string }, text: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const head = Buffer.concat([Buffer.from([VERSION]), key.mark, nonce]);
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(head, place));
  return Buffer.concat([head, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** Opens what `seal` made. Errors: Fault INTERNAL that says whether the key is another one or the bytes are damaged. */
export function unseal(key: MasterKey, place: { kind: string; name: string }, sealed: Uint8Array): string {
  const bytes = Buffer.from(sealed);
  const what = `${place.kind} ${place.name}`;
  if (bytes[0] !== VERSION || bytes.length < HEAD_BYTES + TAG_BYTES) {
    throw new Fault(
      'INTERNAL',
      `${what} cannot be unsealed: expected version ${VERSION}, got ${bytes[0] ?? 'nothing'}`,
    );
  }
  if (!bytes.subarray(1, 1 + KEY_MARK_BYTES).equals(key.mark)) {
    throw new Fault(
      'INTERNAL',
      `${what} was sealed with another master key; KILNYARD_MASTER_KEY is not the one it needs`,
    );
  }
  const head = bytes.subarray(0, HEAD_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, head.subarray(1 + KEY_MARK_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(additionalData(head, place));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = decipher.update(bytes.subarray(HEAD_BYTES, -TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new Fault('INTERNAL', `${what} cannot be unsealed: its bytes are damaged, or belong to another name`, {
      cause,
    });
  }
}

function additionalData(head: Buffer, { kind, name }: { kind: string; name: string }): Buffer {
  return Buffer.concat([head, Buffer.from(JSON.stringify([kind, name]), 'utf8')]);
}

function badKey(got: string, cause?: unknown): Refusal {
  const expected = `${KEY_BYTES} bytes in base64`;
  return new Refusal('INVALID_INPUT', `the master key is wrong: expected ${expected}, got ${got}`, {
    cause,
    findings: [{ field: 'KILNYARD_MASTER_KEY', expected, got }],
  });
}
