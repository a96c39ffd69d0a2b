// The engine's artifact store on the blob store: one object for a zip, one object a file for a folder.
import { PassThrough } from 'node:stream';
import yazl from 'yazl';
import type { Blobs } from '#blobs/blobs.js';
import { MAX_KEY_BYTES } from '#blobs/blob-key.js';
import { keyOfPath } from '#blobs/file-name.js';
import { nameInZip } from '#blobs/zip-name.js';
import type { Artifact, Lease } from '#core/build.js';
import type { Clock } from '#core/clock.js';
import { PhaseFailure } from '#core/errors.js';
import { ArtifactStore } from '#engine/ports.js';

type SaveRequest = Parameters<ArtifactStore['save']>[0];

/** Files of one artifact. */
const MAX_FILES = 1_000_000;

export class BlobArtifacts extends ArtifactStore {
  constructor(
    private readonly blobs: Blobs,
    private readonly lease: Lease,
    private readonly clock: Clock,
  ) {
    super();
  }

  async save(request: SaveRequest): Promise<Artifact> {
    const { identifier, name, packaging } = request;
    const location = `artifacts/${this.lease.buildId}/${this.lease.attempt}/${keyOfPath(identifier === '' ? 'primary' : `secondary/${identifier}`)}`;
    const stored =
      packaging === 'ZIP' ? await this.saveZip(request, `${location}.zip`) : await this.saveFolder(request, location);
    return { identifier, name, packaging, createdAt: this.clock.now(), ...stored };
  }

  private async saveZip(
    request: SaveRequest,
    location: string,
  ): Promise<Omit<Artifact, 'identifier' | 'name' | 'packaging' | 'createdAt'>> {
    const zip = new yazl.ZipFile();
    const out = new PassThrough();
    zip.outputStream.pipe(out);
    zip.outputStream.on('error', (error) => out.destroy(error));
    const broken = new AbortController();
    const filling = fill(zip, request).catch((error: unknown) => {
      broken.abort(error);
      throw error;
    });
    const signal = AbortSignal.any([request.signal, broken.signal]);
    const [fileCount, { sizeBytes, sha256, md5 }] = await Promise.all([filling, this.blobs.put(location, out, signal)]);
    return { location, fileCount, sizeBytes, sha256, md5 };
  }

  private async saveFolder(
    request: SaveRequest,
    location: string,
  ): Promise<Omit<Artifact, 'identifier' | 'name' | 'packaging' | 'createdAt'>> {
    let fileCount = 0;
    let sizeBytes = 0;
    try {
      for await (const { name, file } of request.files) {
        countOne((fileCount += 1));
        sizeBytes += (await this.blobs.put(keyOfFile(location, name), await file.open(), request.signal)).sizeBytes;
      }
    } catch (error) {
      await this.blobs.deletePrefix(`${location}/`);
      throw error;
    }
    return { location, fileCount, sizeBytes };
  }
}

/** One file after the other: the next is asked for when the zip has read the one before. */
async function fill(zip: yazl.ZipFile, request: SaveRequest): Promise<number> {
  let count = 0;
  for await (const { name, file } of request.files) {
    request.signal.throwIfAborted();
    countOne((count += 1));
    if (file.type === 'symlink') {
      // how Info-ZIP and all after it keep a link: its target is the content, the mode says what it is
      zip.addBuffer(Buffer.from(file.linkTarget ?? ''), name, { mode: 0o120777, mtime: zipTime(file.mtime) });
      continue;
    }
    const stream = await file.open();
    await new Promise<void>((resolve, reject) => {
      stream.once('end', resolve);
      stream.once('error', reject);
      zip.addReadStream(stream, nameInZip(name), { mode: 0o100000 | (file.mode & 0o777), mtime: zipTime(file.mtime) });
    });
  }
  zip.end();
  return count;
}

/** A zip holds times from 1980 to 2107. */
function zipTime(time: Date): Date {
  const year = time.getUTCFullYear();
  return year < 1980 || year > 2107 ? new Date(Date.UTC(1980, 0, 1)) : time;
}

function countOne(count: number): void {
  if (count > MAX_FILES)
    throw new PhaseFailure(
      'CLIENT_ERROR',
      `The artifact has more than ${MAX_FILES} files: pack them into an archive first`,
    );
}

/** Errors: PhaseFailure CLIENT_ERROR for a name or a path that is too long to be stored. */
function keyOfFile(location: string, name: string): string {
  let key: string;
  try {
    key = `${location}/${keyOfPath(name)}`;
  } catch (error) {
    throw new PhaseFailure('CLIENT_ERROR', error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (key.length <= MAX_KEY_BYTES) return key;
  throw new PhaseFailure(
    'CLIENT_ERROR',
    `The path ${JSON.stringify(name.slice(0, 80))}… is too long to be stored in a folder: pack the artifact as ZIP`,
  );
}
