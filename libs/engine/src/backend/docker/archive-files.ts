// Files of a container that do not lie in its workspace, read through the engine's archive call: the engine looks at them inside
// the container's own root, so that no symlink leads to the worker's disk.
import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import tar from 'tar-stream';
import type { SandboxFile } from '../backend.js';
import { engineFault, statusOf } from './engine-errors.js';

/** Everything below `path` (absolute, inside the container), in the engine's order. Nothing when it is missing or no folder. */
export async function* archiveFiles(
  container: Docker.Container,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<SandboxFile> {
  const stream = await archive(container, path, signal);
  if (stream === null) return;
  const entries = stream.pipe(tar.extract());
  stream.on('error', (error) => entries.destroy(error));
  let root: string | null = null;
  for await (const entry of entries) {
    const { header } = entry;
    const name = header.name.replace(/\/+$/, '');
    root ??= `${name}/`;
    const relative = name.startsWith(root) ? name.slice(root.length) : '';
    const type = header.type === 'link' ? 'file' : header.type;
    if (relative !== '' && (type === 'file' || type === 'directory' || type === 'symlink')) {
      yield {
        path: relative,
        type,
        mode: (header.mode ?? 0o644) & 0o7777,
        sizeBytes: type === 'file' ? (header.size ?? 0) : 0,
        mtime: header.mtime ?? new Date(0),
        ...(type === 'symlink' ? { linkTarget: header.linkname ?? '' } : {}),
        // a hard link carries no bytes here; asked for alone it does
        open: () =>
          header.type === 'link'
            ? single(container, `${path}/${relative}`, signal)
            : Promise.resolve(Readable.from(entry)),
      };
    }
    entry.resume();
  }
}

/** One file's bytes. */
async function single(container: Docker.Container, path: string, signal: AbortSignal): Promise<NodeJS.ReadableStream> {
  const stream = await archive(container, path, signal);
  if (stream === null) throw new Error(`the file ${path} is gone`);
  const entries = stream.pipe(tar.extract());
  for await (const entry of entries) return Readable.from(entry);
  throw new Error(`the engine gave nothing for ${path}`);
}

async function archive(
  container: Docker.Container,
  path: string,
  signal: AbortSignal,
): Promise<NodeJS.ReadableStream | null> {
  try {
    return await container.getArchive({ path, abortSignal: signal } as { path: string });
  } catch (error) {
    if (statusOf(error) === 404) return null;
    if (signal.aborted) throw signal.reason;
    throw engineFault(error, `reading ${path} of the build container`);
  }
}
