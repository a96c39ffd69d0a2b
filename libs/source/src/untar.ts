// Room: source. Unpacks tar and tar.gz through the tree writer.
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Extract } from 'tar-stream';
import { KilnyardError, PhaseFailure, messageOf } from '#core/errors.js';
import { refuse, type TreeWriter } from './tree-writer.js';

/** Names and attributes of one entry (pax, GNU long names) may take this much before its contents must come; the parser keeps them in memory. */
export const MAX_TAR_HEADER_BYTES = 2 ** 20;

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

/**
 * Unpacks a tar stream.
 * Errors: PhaseFailure CLIENT_ERROR (damaged, an entry that is not allowed), SOURCE_TOO_LARGE; the signal's reason.
 */
export async function untar(data: Readable, gzipped: boolean, writer: TreeWriter, signal: AbortSignal): Promise<void> {
  const parser = extract();
  const guard = new HeaderGuard();
  const feeding = gzipped
    ? pipeline(data, createGunzip(), guard, parser, { signal })
    : pipeline(data, guard, parser, { signal });
  // The loop below ends with the same error; this only keeps the promise from going unheard.
  feeding.catch(() => undefined);
  try {
    for await (const entry of parser) {
      guard.progress();
      entry.on('data', () => guard.progress());
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

/** Stops a header that never ends (a small gz can hold gigabytes of one) before the parser has it all in memory. */
class HeaderGuard extends Transform {
  private sinceProgress = 0;

  progress(): void {
    this.sinceProgress = 0;
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, chunk?: Buffer) => void,
  ): void {
    this.sinceProgress += chunk.length;
    const over = this.sinceProgress > MAX_TAR_HEADER_BYTES;
    done(
      over
        ? new PhaseFailure('CLIENT_ERROR', `the tar archive has an entry header of over ${MAX_TAR_HEADER_BYTES} bytes`)
        : null,
      chunk,
    );
  }
}

/** Errors of the parser and of zlib speak of the archive; ours and the file system's do not. */
function isDamage(thrown: unknown): boolean {
  if (thrown instanceof KilnyardError) return false;
  const code = (thrown as NodeJS.ErrnoException | null)?.code ?? '';
  return code === '' || code.startsWith('Z_') || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
