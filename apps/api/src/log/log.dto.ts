// The log as JSON: pages, and the events of the live stream.
import { z } from 'zod';
import { BUILD_STATUSES, PHASE_TYPES } from '#core/phase.js';
import { LOG_STREAMS, type LogLine } from '#core/log-line.js';
import { wholeNumber } from '../http/page.dto.js';
import { RETRY_CAUSES } from '#core/retry.js';
import { timestamp } from '../projects/project.dto.js';
import { readPosition } from './log-position.js';

export const DEFAULT_LINES = 1000;
export const MAX_LINES = 10_000;

const attempt = wholeNumber(1, 1_000_000)
  .optional()
  .meta({ description: 'Only this attempt. Absent: the latest, and those that follow it.' });

export const rawQuery = z.strictObject({
  attempt: attempt.meta({ description: 'The attempt; absent: the latest.' }),
});

export const logQuery = z.strictObject({
  cursor: z
    .string()
    .max(32)
    .transform((text, context) => {
      const place = readPosition(text);
      if (place !== null) return place;
      context.addIssue({ code: 'custom', message: 'a nextCursor, or the number of a line', input: text });
      return z.NEVER;
    })
    .optional()
    .meta({
      description:
        '`nextCursor` of the page before, or the number of a line of the attempt that is read; absent: from the first line.',
    }),
  attempt,
  limit: wholeNumber(1, MAX_LINES)
    .default(DEFAULT_LINES)
    .meta({ description: `Lines of a page, 1 to ${MAX_LINES}.` }),
  tail: wholeNumber(0, MAX_LINES)
    .optional()
    .meta({ description: 'Start with the last so many lines instead; not together with `cursor`.' }),
});

export const logLineView = z
  .object({
    seq: z.int().meta({ description: 'Counts from 0 in each attempt; orders everything.' }),
    time: timestamp,
    stream: z.enum(LOG_STREAMS).meta({ description: '`system`: Kilnyard’s own lines.' }),
    text: z.string().meta({ description: 'Without its newline; colours and other ANSI codes are kept.' }),
    continues: z.literal(true).optional().meta({ description: 'The next line carries on this one: it was cut.' }),
  })
  .meta({ id: 'LogLine' });

export const logPage = z
  .object({
    lines: z.array(logLineView),
    attempt: z.int().meta({ description: 'To which these lines belong; 0 while no worker has taken the build.' }),
    nextCursor: z.string().nullable().meta({
      description: 'Ask again with this one, at once or when there is more; null: the log is complete and read.',
    }),
    complete: z.boolean().meta({
      description:
        'No line follows this page: the build has ended, or the attempt that was asked for. A build that is retried goes on with its next attempt.',
    }),
  })
  .meta({ id: 'LogPage' });

const logEnd = {
  buildStatus: z.enum(BUILD_STATUSES).meta({ description: 'Of the build, or of the attempt that was asked for.' }),
  lineCount: z.int().meta({ description: 'Lines of that attempt’s log.' }),
  sha256: z.string().nullable().meta({ description: 'Of its raw log; null while nobody has sealed it.' }),
  complete: z.boolean().meta({ description: 'False: the worker was lost, and the last lines may be missing.' }),
};

/** Data of each event of the live stream, by the event's name. */
export const streamEvents = {
  lines: z.object({ lines: z.array(logLineView) }).meta({
    id: 'LogLinesEvent',
    description:
      'Some lines in order. The event’s id names the last of them: its seq, in a later attempt `<attempt>:<seq>`.',
  }),
  status: z
    .object({
      buildStatus: z.enum(BUILD_STATUSES),
      currentPhase: z.enum(PHASE_TYPES),
      attempt: z.int().meta({ description: 'The latest that a worker took.' }),
    })
    .meta({
      id: 'LogStatusEvent',
      description: 'The build went on to another phase or status. QUEUED after an attempt: another one follows.',
    }),
  attempt: z
    .object({
      attempt: z.int().meta({ description: 'Of the lines that follow.' }),
      previous: z.object({ attempt: z.int(), cause: z.enum(RETRY_CAUSES).nullable(), message: z.string(), ...logEnd }),
    })
    .meta({
      id: 'LogAttemptEvent',
      description: 'All of the attempt before was sent, and another one runs: its lines count from 0 again.',
    }),
  end: z
    .object({ attempt: z.int(), ...logEnd })
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
