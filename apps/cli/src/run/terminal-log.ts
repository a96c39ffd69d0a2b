// The engine's log sink on standard output: the raw log, byte for byte; on a terminal Kilnyard's own lines are dim.
import type { Hash } from 'node:crypto';
import { Fault, messageOf } from '#core/errors.js';
import type { LogChunk, StoredLog } from '#core/log-line.js';
import { LogSink } from '#engine/ports.js';

const DIM = Buffer.from('\u001b[2m');
const PLAIN = Buffer.from('\u001b[0m');
const NEWLINE = 0x0a;

export class TerminalLog extends LogSink {
  constructor(
    private readonly write: (bytes: Uint8Array) => Promise<void>,
    private readonly colour: boolean,
  ) {
    super();
  }

  async append(chunks: readonly LogChunk[]): Promise<void> {
    try {
      for (const chunk of chunks) await this.write(this.colour ? coloured(chunk) : chunk.bytes);
    } catch (error) {
      throw new Fault('LOG_APPEND_FAILED', `the log cannot be written: ${messageOf(error)}`, { cause: error });
    }
  }

  async seal(): Promise<void> {}

  stored(): Promise<{ stored: StoredLog; hash: Hash; sealed: boolean }> {
    throw new Error('a run on a terminal is not taken up by another');
  }
}

/** The bytes of a chunk, system lines between escape sequences. */
export function coloured({ bytes, runs, openLines, openLengths }: LogChunk): Buffer {
  const parts: Buffer[] = [];
  let line = 0;
  let at = 0;
  for (const { count, stream } of runs) {
    const from = at;
    for (const end = line + count; line < end; line += 1) {
      const open = openLines.indexOf(line);
      at = open < 0 ? bytes.indexOf(NEWLINE, at) + 1 : at + (openLengths[open] ?? 0);
    }
    const run = bytes.subarray(from, at);
    parts.push(...(stream === 'system' ? [DIM, run, PLAIN] : [run]));
  }
  return Buffer.concat(parts);
}
