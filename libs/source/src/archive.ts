// Room: source. An archive source: downloads (or opens the upload) into a private file, looks what it is, unpacks it safely.
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Fault, KilnyardError, PhaseFailure, Refusal, messageOf } from '#core/errors.js';
import type { ProjectSource } from '#core/project.js';
import { checkedGet, shownUrl } from './checked-http.js';
import { tooLarge, FetchGuard, type SourceLimits } from './disk-limit.js';
import { parseCredential } from './git-credentials.js';
import type { FetchRequest } from './fetch-request.js';
import { TreeWriter } from './tree-writer.js';
import { untar } from './untar.js';
import { unzip } from './unzip.js';

export type ArchiveFormat = 'zip' | 'tar.gz';

export interface UploadedArchive {
  format: ArchiveFormat;
  open(): Promise<Readable>;
}

export interface ArchiveSourceOptions extends SourceLimits {
  tempDir: string;
  secret: (reference: string) => Promise<string>;
  upload: (id: string) => Promise<UploadedArchive>;
}

const EXPECTED = 'an http(s) URL of a zip, tar or tar.gz file, or upload:<id>';

export class ArchiveSource {
  constructor(private readonly options: ArchiveSourceOptions) {}

  /**
   * Fetches and unpacks. A single folder at the top is kept, as CodeBuild does.
   * Errors: Refusal SOURCE_NOT_ALLOWED; PhaseFailure CLIENT_ERROR naming the entry, SOURCE_TOO_LARGE, SOURCE_FETCH_FAILED; Fault STORAGE_FULL.
   */
  async fetch({ source, into, say, signal }: FetchRequest): Promise<void> {
    await mkdir(this.options.tempDir, { recursive: true });
    const folder = await mkdtemp(join(this.options.tempDir, 'archive-'));
    const guard = new FetchGuard(shownLocation(source.location), this.options, signal);
    try {
      await chmod(folder, 0o700);
      const file = join(folder, 'archive');
      const { data, shown } = await this.open(source, guard.signal);
      say(`Fetching ${shown}`);
      const bytes = await save(data, file, shown, this.options.maxBytes, guard.signal);
      say(`Received ${bytes} bytes`);
      const writer = new TreeWriter(into, this.options.maxBytes);
      const format = await formatOf(file);
      if (format === 'zip') await unzip(file, writer, guard.signal);
      else await untar(createReadStream(file), format === 'tar.gz', writer, guard.signal);
      await writer.finish();
      say(`Unpacked ${writer.entries} entries, ${writer.bytes} bytes`);
    } catch (thrown) {
      if (guard.signal.aborted) throw guard.signal.reason;
      throw translate(thrown, shownLocation(source.location));
    } finally {
      guard.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async open(source: ProjectSource, signal: AbortSignal): Promise<{ data: Readable; shown: string }> {
    const location = source.location ?? '';
    const upload = /^upload:([A-Za-z0-9_-]{1,128})$/.exec(location);
    if (upload) return { data: await (await this.options.upload(upload[1]!)).open(), shown: location };
    const url = /^https?:\/\//i.test(location) && URL.canParse(location) ? new URL(location) : null;
    if (url === null) {
      const got = shownLocation(location);
      throw new Refusal('SOURCE_NOT_ALLOWED', `this archive location is not allowed: ${got}; expected ${EXPECTED}`, {
        findings: [{ field: 'source.location', expected: EXPECTED, got }],
      });
    }
    const authorization = await this.authorization(source, url);
    const answer = await checkedGet({
      url,
      insecureSsl: source.insecureSsl ?? false,
      signal,
      ...(authorization ? { authorization } : {}),
    });
    const status = answer.body.statusCode ?? 0;
    if (status === 200) return { data: answer.body, shown: shownUrl(url) };
    answer.body.destroy();
    const code = status >= 400 && status < 500 ? 'CLIENT_ERROR' : 'SOURCE_FETCH_FAILED';
    throw new PhaseFailure(code, `${shownUrl(url)} answered with status ${status}; expected 200`);
  }

  private async authorization(source: ProjectSource, url: URL): Promise<string | undefined> {
    if (source.auth === undefined) {
      if (url.username === '' && url.password === '') return undefined;
      return `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`;
    }
    const credential = parseCredential(
      await this.options.secret(source.auth.resource),
      source.auth.resource,
      source.type,
    );
    if (credential.kind === 'ssh-key') {
      throw new PhaseFailure(
        'CLIENT_ERROR',
        `the secret ${source.auth.resource} is an ssh key; expected {"username","password"} or a token`,
      );
    }
    if (credential.isToken) return `Bearer ${credential.password}`;
    return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
  }
}

/** Writes the download to a file of mode 0600 and stops at the limit. Out: its size in bytes. */
async function save(
  data: Readable,
  file: string,
  shown: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0;
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(bytes > maxBytes ? tooLarge(shown, bytes, maxBytes) : null, chunk);
    },
  });
  await pipeline(data, limit, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal });
  return bytes;
}

/** By the first bytes, not by the name: URLs and uploads often have none. */
async function formatOf(file: string): Promise<ArchiveFormat | 'tar'> {
  const handle = await open(file, 'r');
  try {
    const head = Buffer.alloc(512);
    const { bytesRead } = await handle.read(head, 0, 512, 0);
    if (bytesRead >= 4 && head[0] === 0x50 && head[1] === 0x4b && [3, 5, 7].includes(head[2]!)) return 'zip';
    if (bytesRead >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'tar.gz';
    if (bytesRead === 512 && head.toString('latin1', 257, 262) === 'ustar') return 'tar';
  } finally {
    await handle.close();
  }
  throw new PhaseFailure('CLIENT_ERROR', 'the archive is in no known format; expected zip, tar or tar.gz');
}

function shownLocation(location: string | undefined): string {
  if (location === undefined || location === '') return '(empty)';
  if (/^https?:\/\//i.test(location) && URL.canParse(location)) return shownUrl(new URL(location));

  return location
    .replace(/[\u0000-\u001f\u007f]/g, '?')
    .replace(/\/\/[^/]*@/g, '//')
    .slice(0, 200);
}

function translate(thrown: unknown, shown: string): unknown {
  if (thrown instanceof KilnyardError) return thrown;
  const code = (thrown as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new Fault('STORAGE_FULL', `no space left for the source ${shown}`, { cause: thrown, retryable: true });
  return new PhaseFailure('SOURCE_FETCH_FAILED', `fetching ${shown} failed: ${messageOf(thrown)}`, { cause: thrown });
}
