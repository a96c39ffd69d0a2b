// Proves the log of one attempt: by pages, raw, by its seal, and as the live reader got it.
import { createHash } from 'node:crypto';
import type { BuildView } from '../../apps/api/src/builds/build.dto.js';
import type { ReceivedLine } from '#testing/read-events.js';
import type { Client } from './client.js';
import { bytesOf, wrongReading } from './compare.js';
import { listed } from './findings.js';
import type { LogReader } from './log-reader.js';
import type { Extent } from './shapes.js';

const PAGE = 10_000;

export type Seal = Pick<BuildView['log'], 'complete' | 'lineCount' | 'byteCount' | 'sha256'>;

export interface AttemptLog {
  attempt: number;
  lines: ReceivedLine[];
  raw: Buffer;
}

/** Every line by pages, as a program would fetch it, and the raw log. */
export async function fetchLog(client: Client, id: string, attempt: number): Promise<AttemptLog> {
  const lines: ReceivedLine[] = [];
  for (let cursor: string | null = '0'; cursor !== null;) {
    const path: string = `/v1/builds/${id}/log?attempt=${attempt}&limit=${PAGE}&cursor=${cursor}`;
    const page: { lines: ReceivedLine[]; nextCursor: string | null } = await client.json('GET', path);
    lines.push(...page.lines);
    cursor = page.lines.length === 0 ? null : page.nextCursor;
  }
  const { body } = await client.ask('GET', `/v1/builds/${id}/log/raw?attempt=${attempt}`);
  return { attempt, lines, raw: body };
}

/** Is the raw log what its lines are, and what its seal says? `whole`: nothing of it may be missing. */
export function wrongSeal(
  seal: Seal,
  { lines, raw }: AttemptLog,
  request: { extent: Extent; whole: boolean },
): string | null {
  const wrongs: string[] = [];
  const expect = (what: string, want: unknown, got: unknown): void => {
    if (want !== got) wrongs.push(`${what}: expected ${String(want)}, got ${String(got)}`);
  };
  if (request.extent !== 'any') {
    if (request.whole) expect('complete', true, seal.complete);
    if (!raw.equals(bytesOf(lines))) wrongs.push(`the raw log (${raw.length} bytes) is not what its lines are`);
  }
  expect('line count', lines.length, seal.lineCount);
  expect('byte count', raw.length, seal.byteCount);
  expect('SHA-256', createHash('sha256').update(raw).digest('hex'), seal.sha256);
  return listed(wrongs);
}

/** Has the reader each line once, in every attempt, and was it told the end? */
export function wrongReader(reader: LogReader, logs: readonly AttemptLog[]): string | null {
  const last = logs.at(-1)!;
  const told = reader.end?.lineCount;
  if (told !== last.lines.length) return `the stream ended with ${told} lines, the log has ${last.lines.length}`;
  return listed(
    logs.flatMap(({ attempt, lines }) => {
      const wrong = wrongReading(lines, reader.linesOf(attempt));
      return wrong === null ? [] : [`attempt ${attempt}, ${wrong}`];
    }),
  );
}
