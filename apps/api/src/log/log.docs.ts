// What the documentation says about the log's routes. Streams are where API documents are usually silent, so this one is not.
import { EXAMPLE_BUILD_ID, EXAMPLE_LOG_LINES } from '../docs/examples.js';
import type { Description } from '../docs/describe.js';
import { schemaRef } from '../docs/schemas.js';
import { logPage, streamEvents } from './log.dto.js';
import { HEARTBEAT_MS, RETRY_MS, formatEvent, formatRetry } from './sse.js';

const EXAMPLE_STREAM = [
  formatRetry(RETRY_MS),
  formatEvent({ event: 'status', data: { buildStatus: 'IN_PROGRESS', currentPhase: 'INSTALL', attempt: 1 } }),
  formatEvent({ event: 'lines', id: '1', data: { lines: EXAMPLE_LOG_LINES } }),
  formatEvent({
    event: 'end',
    data: { attempt: 1, buildStatus: 'SUCCEEDED', lineCount: 2, sha256: 'ab'.repeat(32), complete: true },
  }),
].join('');

export const LOG_ROUTE: Description = {
  summary: 'Read or follow a log',
  description: `With \`Accept: application/json\` (the default) a page of lines: ask again with \`nextCursor\` until \`complete\`.

Each attempt of a build has a log of its own. Without \`attempt\` reading begins with the latest; when the build is retried, pages and stream go on with the next attempt. With \`attempt\` that one alone is read, also when it is long over.

With \`Accept: text/event-stream\` a live stream of server-sent events, which replays what is there, follows the build, and ends by itself:

| event | data | id |
| --- | --- | --- |
| \`lines\` | \`LogLinesEvent\`: some lines in order | the last of them: its seq, from the second attempt on \`<attempt>:<seq>\` |
| \`status\` | \`LogStatusEvent\`: the build went on to another phase or status | none |
| \`attempt\` | \`LogAttemptEvent\`: the attempt before is read to its end and another one runs, its lines count from 0 again | none |
| \`end\` | \`LogEndEvent\`: the last event; do not reconnect | none |
| \`error\` | \`LogErrorEvent\`: the stream broke; reconnect | none |

A reader that reconnects with the \`Last-Event-ID\` that it saw last (browsers and curl's friends do so by themselves) goes on with the next line, without gap or repeat. \`retry:\` says how long to wait before. A comment line comes each ${HEARTBEAT_MS / 1000} s when nothing else does. A slow reader gets the lines more slowly; it loses none. A stream that ends without \`end\` was cut: reconnect.

    curl -N -H "Authorization: Bearer $TOKEN" -H "Accept: text/event-stream" $URL/v1/builds/${EXAMPLE_BUILD_ID}/log`,
  answer: logPage,
  example: { lines: EXAMPLE_LOG_LINES, attempt: 1, nextCursor: '1:2', complete: false },
  content: {
    'text/event-stream': {
      schema: {
        type: 'string',
        description: 'Server-sent events; the data of each is JSON by one of these schemas.',
        contentMediaType: 'text/event-stream',
        'x-events': Object.fromEntries(Object.entries(streamEvents).map(([name, schema]) => [name, schemaRef(schema)])),
      },
      example: EXAMPLE_STREAM,
    },
  },
  headers: {
    'Last-Event-ID': {
      description: 'For the stream: the id that was seen last; takes precedence over the query.',
    },
  },
  errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND', 'ATTEMPT_NOT_FOUND'],
};

export const RAW_ROUTE: Description = {
  summary: 'Download a log',
  description:
    'The bytes as the build wrote them, secrets masked. `Range` takes one range. While the build runs this is what is stored so far, without an ETag; `Kilnyard-Log-Complete` says which.',
  content: {
    'text/plain': {
      schema: { type: 'string' },
      example: '[Container] Entering phase INSTALL\nadded 312 packages in 4s\n',
    },
  },
  headers: { Range: { description: 'One range of bytes, as `bytes=0-1023`.' } },
  errors: ['INVALID_INPUT', 'BUILD_NOT_FOUND', 'ATTEMPT_NOT_FOUND', 'RANGE_NOT_SATISFIABLE'],
};
