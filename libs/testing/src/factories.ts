// Plain values for tests: whole, valid, and the same each time; a test names only what it is about.
import type { CacheUse } from '#core/build.js';
import type { LogChunk, LogSeal, LogStream } from '#core/log-line.js';
import { createHash } from 'node:crypto';
import type { ProjectSettings } from '#core/project.js';
import { asWorkerId } from '#core/ids.js';
import type { WorkerInfo } from '#core/worker.js';

/** Settings of a project without source and artifacts, whose buildspec says hello. */
export function newProjectSettings(over: Partial<ProjectSettings> = {}): ProjectSettings {
  return {
    source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases:\n  build:\n    commands:\n      - echo hello\n' },
    secondarySources: [],
    secondarySourceVersions: [],
    artifacts: { type: 'NO_ARTIFACTS' },
    secondaryArtifacts: [],
    cache: { type: 'NO_CACHE' },
    environment: {
      type: 'LINUX_CONTAINER',
      image: 'kilnyard/standard:1.0',
      computeType: 'BUILD_GENERAL1_SMALL',
      environmentVariables: [],
      privilegedMode: false,
    },
    timeoutInMinutes: 60,
    queuedTimeoutInMinutes: 480,
    tags: [],
    priority: 0,
    ...over,
  };
}

export function newCacheUse(over: Partial<CacheUse> = {}): CacheUse {
  return {
    key: '',
    result: 'miss',
    restoredKey: null,
    restoredFrom: null,
    restoredBytes: 0,
    restoreMs: 0,
    saved: null,
    savedBytes: 0,
    saveMs: 0,
    ...over,
  };
}

export function newWorkerInfo(over: Partial<WorkerInfo> = {}): WorkerInfo {
  const at = new Date('2026-01-15T12:00:00.000Z');
  return {
    id: asWorkerId('host-00000001'),
    hostname: 'host',
    host: 'docker-host',
    version: '0.1.0',
    slots: 2,
    fleet: '',
    labels: [],
    running: 0,
    state: 'ACTIVE',
    message: '',
    startedAt: at,
    seenAt: at,
    ...over,
  };
}

/** A line for newLogChunk; `open` = it continues in the next one, so no newline follows it. */
export interface ChunkLine {
  text: string;
  open?: boolean;
  stream?: LogStream;
  time?: Date;
}

/** A chunk of these lines, as the engine's batcher makes them: one run for neighbours of the same time and stream. */
export function newLogChunk(
  lines: (string | ChunkLine)[],
  place: { firstSeq?: number; firstByte?: number } = {},
): LogChunk {
  const chunk: LogChunk = {
    firstSeq: place.firstSeq ?? 0,
    lineCount: lines.length,
    firstByte: place.firstByte ?? 0,
    bytes: Buffer.alloc(0),
    runs: [],
    openLines: [],
    openLengths: [],
  };
  const pieces: Buffer[] = [];
  lines.forEach((given, index) => {
    const line = typeof given === 'string' ? { text: given } : given;
    const { stream = 'stdout', time = new Date('2026-01-15T12:00:00.000Z'), open = false, text } = line as ChunkLine;
    const bytes = Buffer.from(text, 'utf8');
    pieces.push(bytes, Buffer.from(open ? '' : '\n'));
    if (open) {
      chunk.openLines.push(index);
      chunk.openLengths.push(bytes.length);
    }
    const last = chunk.runs.at(-1);
    if (last?.stream === stream && last.time.getTime() === time.getTime()) last.count += 1;
    else chunk.runs.push({ count: 1, time, stream });
  });
  return { ...chunk, bytes: Buffer.concat(pieces) };
}

/**
 * Chunks that follow each other, of so many lines each: `<name> <number>`, some of them of the system, some with an unfinished line at the
 * end of a chunk. `width`: length of a line at least.
 */
export function newLogChain(name: string, sizes: readonly number[], width = 0): LogChunk[] {
  const place = { firstSeq: 0, firstByte: 0 };
  return sizes.map((size, index) => {
    const lines = Array.from({ length: size }, (_, line): ChunkLine => {
      const seq = place.firstSeq + line;
      const open = index % 3 === 1 && line === size - 1;
      return { text: `${name} ${seq}`.padEnd(width, '.'), open, ...(seq % 7 === 0 ? { stream: 'system' } : {}) };
    });
    const chunk = newLogChunk(lines, place);
    place.firstSeq += chunk.lineCount;
    place.firstByte += chunk.bytes.length;
    return chunk;
  });
}

/** The seal of a log made of these chunks, in order. */
export function newLogSeal(chunks: LogChunk[]): LogSeal {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk.bytes);
  return {
    lineCount: chunks.reduce((sum, chunk) => sum + chunk.lineCount, 0),
    byteCount: chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0),
    sha256: hash.digest('hex'),
  };
}
