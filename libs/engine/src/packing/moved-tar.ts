// A tar whose files belong beside another source than the one that they were packed beside. Called by phases/cache-tar.ts where the sandbox
// unpacks it.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { messageOf } from '#core/errors.js';

/**
 * In: a tar whose names are absolute, without the leading slash. Out: one in which what lay in the folder `from` below `prefix` lies in `to`;
 * what else lay below `prefix` belongs to sources that are not here, and is left out; the rest keeps its place.
 * Errors: what is wrong with the bytes comes out of the stream.
 */
export function movedTar(
  plain: Readable,
  prefix: string,
  { from, to }: { from: string; to: string },
  signal: AbortSignal,
): Readable {
  const place = (name: string): string | null => {
    if (name.startsWith(`${prefix}/${from}/`)) return `${prefix}/${to}/${name.slice(prefix.length + from.length + 2)}`;
    return name.startsWith(`${prefix}/`) ? null : name;
  };
  const entries = tar.extract();
  const pack = tar.pack();
  const write = async (): Promise<void> => {
    for await (const entry of entries) {
      const { header } = entry;
      const name = place(header.name);
      const target = header.type === 'link' ? place(header.linkname ?? '') : (header.linkname ?? '');
      if (name === null || target === null) entry.resume();
      else await copy(pack, withTarget({ ...header, name }, target), entry as unknown as Readable);
    }
    pack.finalize();
  };
  const fail = (error: unknown): void => {
    pack.destroy(error instanceof Error ? error : new Error(messageOf(error)));
  };
  pipeline(plain, entries, { signal }).catch(fail);
  write().catch(fail);
  return Readable.from(pack);
}

type Described = Partial<tar.Header> & { name: string };

function withTarget({ linkname: _, ...header }: Described, target: string): Described {
  return target === '' ? header : { ...header, linkname: target };
}

async function copy(pack: tar.Pack, header: Described, entry: Readable): Promise<void> {
  // what a longer name needed is written anew
  const { pax: _, ...plain } = header;
  if (header.type === 'file') await pipeline(entry, pack.entry(plain) as unknown as NodeJS.WritableStream);
  else {
    pack.entry(plain);
    entry.resume();
  }
}
