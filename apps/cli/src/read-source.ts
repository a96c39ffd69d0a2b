// Reads what a command is to look at: a file, or standard input.
import { createReadStream } from 'node:fs';
import { UsageError } from './command.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  EISDIR: 'it is a folder',
};

/**
 * In: a path, or `-`; the most bytes to read. Out: the first bytes of it, `limit` at most.
 * Errors: UsageError that says why it cannot be read.
 */
export async function readSource(path: string, limit: number): Promise<Buffer> {
  const stream = path === '-' ? process.stdin : createReadStream(path);
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.length;
      if (bytes >= limit) break;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new UsageError(`cannot read ${path}: ${REASONS[code] ?? code}`, { cause: error });
  }
  return Buffer.concat(parts).subarray(0, limit);
}
