// Room: source. Unpacks tar and tar.gz through the tree writer.
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Extract } from 'tar-stream';
import { KilnyardError, PhaseFailure, messageOf } from '#core/errors.js';
import { refuse, type TreeWriter } from './tree-writer.js';

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

/**
 * Unpacks a tar stream. The parser itself bounds what one header may take in memory.
 * Errors: PhaseFailure CLIENT_ERROR (damaged, an entry that is not allowed), SOURCE_TOO_LARGE; the signal's reason.
 */
export async function untar(data: Readable, gzipped: boolean, writer: TreeWriter, signal: AbortSignal): Promise<void> {
  const parser = extract();
  const feeding = gzipped ? pipeline(data, createGunzip(), parser, { signal }) : pipeline(data, parser, { signal });
  // The loop below ends with the same error; this only keeps the promise from going unheard.
  feeding.catch(() => undefined);
  try {
    for await (const entry of parser) {
      await unpack(entry, writer);
      entry.resume();
    }
    await feeding;
  } catch (thrown) {
    parser.destroy();
    signal.throwIfAborted();
    throw isDamage(thrown)
      ? new PhaseFailure('CLIENT_ERROR', `the tar archive is damaged: ${messageOf(thrown)}`, { cause: thrown })
      : thrown;
  }
}

async function unpack(entry: Entry, writer: TreeWriter): Promise<void> {
  const { name, type, mode, linkname } = entry.header;
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return writer.file(name, ((mode ?? 0) & 0o111) !== 0, entry);
    case 'directory':
      return writer.folder(name);
    case 'symlink':
      return writer.symlink(name, linkname ?? '');
    case 'link':
      return writer.hardLink(name, linkname ?? '');
    default:
      throw refuse(name, `it is a ${type ?? 'thing of an unknown kind'}; expected files, folders and links`);
  }
}

/** Errors of the parser and of zlib speak of the archive; ours and the file system's do not. */
function isDamage(thrown: unknown): boolean {
  if (thrown instanceof KilnyardError) return false;
  const code = (thrown as NodeJS.ErrnoException | null)?.code ?? '';
  return code === '' || code.startsWith('Z_') || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
