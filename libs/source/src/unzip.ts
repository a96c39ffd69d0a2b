// Room: source. Unpacks zip (zip64 too) through the tree writer.
import type { Readable } from 'node:stream';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { KilnyardError, PhaseFailure, messageOf } from '#core/errors.js';
import { refuse, type TreeWriter } from './tree-writer.js';

const MAX_LINK_BYTES = 4_096;
const FILE_TYPE = 0o170000;
const [FIFO, DEVICE, FOLDER, BLOCK, FILE, LINK] = [0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000];
const MADE_BY_UNIX = 3;

/**
 * Unpacks a zip file.
 * Errors: PhaseFailure CLIENT_ERROR (damaged, encrypted, an entry that is not allowed), SOURCE_TOO_LARGE; the signal's reason.
 */
export async function unzip(file: string, writer: TreeWriter, signal: AbortSignal): Promise<void> {
  let zip: ZipFile | undefined;
  try {
    zip = await openPromise(file, { lazyEntries: true, autoClose: false, validateEntrySizes: true });
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      await unpack(zip, entry, writer);
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw isDamage(thrown)
      ? new PhaseFailure('CLIENT_ERROR', `the zip archive cannot be unpacked: ${messageOf(thrown)}`, { cause: thrown })
      : thrown;
  } finally {
    zip?.close();
  }
}

async function unpack(zip: ZipFile, entry: Entry, writer: TreeWriter): Promise<void> {
  const name = entry.fileName;
  if (entry.isEncrypted()) throw refuse(name, 'it is encrypted; expected a zip without a password');
  // A zip made elsewhere than on Unix has no modes; 0 there means a plain file.
  const mode = entry.versionMadeBy >> 8 === MADE_BY_UNIX ? entry.externalFileAttributes >>> 16 : 0;
  const type = mode & FILE_TYPE;
  if (type === LINK) return writer.symlink(name, await linkTarget(zip, entry));
  if (name.endsWith('/') || type === FOLDER) return writer.folder(name);
  if (type === FIFO || type === DEVICE || type === BLOCK || (type !== 0 && type !== FILE)) {
    throw refuse(name, 'it is a device, FIFO or socket; expected files, folders and links');
  }
  await writer.file(name, (mode & 0o111) !== 0, await open(zip, entry));
}

async function linkTarget(zip: ZipFile, entry: Entry): Promise<string> {
  if (entry.uncompressedSize > MAX_LINK_BYTES)
    throw refuse(entry.fileName, `it is a symlink of over ${MAX_LINK_BYTES} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of (await open(zip, entry)) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function open(zip: ZipFile, entry: Entry): Promise<Readable> {
  if (!entry.canDecodeFileData())
    throw refuse(
      entry.fileName,
      `its compression method ${entry.compressionMethod} is not known; expected store or deflate`,
    );
  return zip.openReadStreamPromise(entry);
}

/** Errors of the parser and of zlib speak of the archive; ours and the file system's do not. */
function isDamage(thrown: unknown): boolean {
  if (thrown instanceof KilnyardError) return false;
  const code = (thrown as NodeJS.ErrnoException | null)?.code ?? '';
  return code === '' || code.startsWith('Z_') || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
