// Reads server-sent events as a browser does, for scenarios.

export interface ReceivedEvent {
  event: string;
  /** Absent where the event brought none. */
  id?: string;
  data: {
    lines?: ReceivedLine[];
    buildStatus?: string;
    currentPhase?: string;
    attempt?: number;
    lineCount?: number;
    sha256?: string | null;
    complete?: boolean;
  };
}

export interface ReceivedLine {
  seq: number;
  stream: string;
  text: string;
  continues?: true;
}

/** Events of an answer in order, until it ends. Comments and `retry` fields are passed over. */
export async function* readEvents(answer: Response): AsyncGenerator<ReceivedEvent> {
  if (answer.body === null) throw new Error(`expected a stream, got ${answer.status} without a body`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    let end = text.indexOf('\n\n');
    for (; end !== -1; end = text.indexOf('\n\n')) {
      const event = toEvent(text.slice(0, end));
      text = text.slice(end + 2);
      if (event !== null) yield event;
    }
  }
}

function toEvent(block: string): ReceivedEvent | null {
  const fields = new Map(
    block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const [event, id, data] = [fields.get('event'), fields.get('id'), fields.get('data')];
  if (event === undefined || data === undefined) return null;
  return { event, ...(id === undefined ? {} : { id }), data: JSON.parse(data) as ReceivedEvent['data'] };
}
