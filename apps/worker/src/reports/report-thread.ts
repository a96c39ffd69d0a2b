// The thread in which report files are read: what strangers wrote may take its memory or its time, and never the worker's.
// thread-reader.ts starts it and speaks with it.
import { parentPort, workerData } from 'node:worker_threads';
import type { ReportContent, ReportFormat } from '#core/report.js';
import { BrokenReport } from '#reports/broken-report.js';
import { ReportReading, type ReadingLimits } from '#reports/report-reading.js';

export interface ThreadStart {
  format: ReportFormat;
  limits: ReadingLimits;
}
export type ThreadRequest = { kind: 'add'; name: string; bytes: Uint8Array } | { kind: 'end' };
/** One for each request, in order. `refused`: why the file is not taken. */
export type ThreadAnswer = { kind: 'added'; refused: string | null } | { kind: 'content'; content: ReportContent };

const { format, limits } = workerData as ThreadStart;
const reading = new ReportReading(format, limits);

function answer(request: ThreadRequest): ThreadAnswer {
  if (request.kind === 'end') return { kind: 'content', content: reading.content };
  try {
    reading.add(request.name, request.bytes);
    return { kind: 'added', refused: null };
  } catch (error) {
    // anything else ends the thread, and whoever started it hears of it
    if (!(error instanceof BrokenReport)) throw error;
    return { kind: 'added', refused: error.message };
  }
}

parentPort!.on('message', (request: ThreadRequest) => parentPort!.postMessage(answer(request)));
