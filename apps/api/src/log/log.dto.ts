// The log as JSON: pages, and the events of the live stream.
import { z } from 'zod';
import { BUILD_STATUSES, PHASE_TYPES } from '#core/phase.js';
import { LOG_STREAMS, type LogLine } from '#core/log-line.js';
import { wholeNumber } from '../http/page.dto.js';
import { timestamp } from '../projects/project.dto.js';

export const DEFAULT_LINES = 1000;
export const MAX_LINES = 10_000;

export const logQuery = z.strictObject({
  cursor: wholeNumber(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: '`nextCursor` of the page before; absent: from the first line.' }),
  limit: wholeNumber(1, MAX_LINES)
    .default(DEFAULT_LINES)
    .meta({ description: `Lines of a page, 1 to ${MAX_LINES}.` }),
  tail: wholeNumber(0, MAX_LINES)
    .optional()
    .meta({ description: 'Start with the last so many lines instead; not together with `cursor`.' }),
});

export const logLineView = z
  .object({
    seq: z.int().meta({ description: 'Counts from 0; orders everything.' }),
    time: timestamp,
    stream: z.enum(LOG_STREAMS).meta({ description: '`system`: Kilnyard’s own lines.' }),
    text: z.string().meta({ description: 'Without its newline; colours and other ANSI codes are kept.' }),
    continues: z.literal(true).optional().meta({ description: 'The next line carries on this one: it was cut.' }),
  })
  .meta({ id: 'LogLine' });

export const logPage = z
  .object({
    lines: z.array(logLineView),
    nextCursor: z.string().nullable().meta({
      description: 'Ask again with this one, at once or when there is more; null: the log is complete and read.',
    }),
    complete: z.boolean().meta({ description: 'The log is whole and this page reaches its end.' }),
  })
  .meta({ id: 'LogPage' });

/** Data of each event of the live stream, by the event's name. */
export const streamEvents = {
  lines: z
    .object({ lines: z.array(logLineView) })
    .meta({ id: 'LogLinesEvent', description: 'Some lines in order. The event’s id is the seq of the last of them.' }),
  status: z
    .object({ buildStatus: z.enum(BUILD_STATUSES), currentPhase: z.enum(PHASE_TYPES) })
    .meta({ id: 'LogStatusEvent', description: 'The build went on to another phase or status.' }),
  attempt: z
    .object({ attempt: z.int() })
    .meta({ id: 'LogAttemptEvent', description: 'Another attempt took over: its lines count from 0 again.' }),
  end: z
    .object({
      buildStatus: z.enum(BUILD_STATUSES),
      lineCount: z.int().meta({ description: 'Lines of the whole log.' }),
      sha256: z.string().nullable().meta({ description: 'Of the raw log; null when it is not complete.' }),
      complete: z.boolean().meta({ description: 'False: the worker was lost, and the last lines may be missing.' }),
    })
    .meta({ id: 'LogEndEvent', description: 'The last event; do not reconnect.' }),
  error: z
    .object({ code: z.string(), detail: z.string(), requestId: z.string() })
    .meta({ id: 'LogErrorEvent', description: 'The stream broke; reconnect with the last id.' }),
};

export type LogLineView = z.infer<typeof logLineView>;

export function toLineView(line: LogLine): LogLineView {
  const { seq, time, stream, text, continues } = line;
  return { seq, time: time.toISOString(), stream, text, ...(continues ? { continues: true as const } : {}) };
}
