import { describe, expect, it } from '@jest/globals';
import type { LogChunk } from '#core/log-line.js';
import { TerminalLog } from './terminal-log.js';

const time = new Date(0);
const chunk: LogChunk = {
  firstSeq: 0,
  lineCount: 5,
  firstByte: 0,
  bytes: Buffer.from('[Container] a\n[Container] b\none\ntwo-three\n'),
  runs: [
    { count: 2, time, stream: 'system' },
    { count: 2, time, stream: 'stdout' },
    { count: 1, time, stream: 'system' },
  ],
  openLines: [3],
  openLengths: [4],
};

async function written(colour: boolean): Promise<string> {
  const parts: Uint8Array[] = [];
  const log = new TerminalLog(async (bytes) => void parts.push(Buffer.from(bytes)), colour);
  await log.append([chunk]);
  return Buffer.concat(parts).toString();
}

describe('the log on standard output', () => {
  it('is the raw log, byte for byte', async () => {
    expect(await written(false)).toBe(chunk.bytes.toString());
  });

  it('has its own lines dim on a terminal, and nothing else changed', async () => {
    expect(await written(true)).toBe(
      '\u001b[2m[Container] a\n[Container] b\n\u001b[0mone\ntwo-\u001b[2mthree\n\u001b[0m',
    );
  });

  it('ends the build when it cannot be written', async () => {
    const log = new TerminalLog(() => Promise.reject(new Error('ENOSPC')), false);
    await expect(log.append([chunk])).rejects.toMatchObject({ code: 'LOG_APPEND_FAILED' });
  });
});
