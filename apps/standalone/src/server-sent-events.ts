// Reads a text/event-stream body as the WHATWG describes it: fields line by line, an empty line ends an event.

export interface ServerSentEvent {
  type: string;
  data: string;
  id?: string;
}

/** Events in order; a last one without its empty line is not an event. Comments (heartbeats) are passed over. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let fields: Record<string, string[]> = {};
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') {
        const event = toEvent(fields);
        fields = {};
        if (event) yield event;
      } else addField(fields, line);
    }
  }
}

function addField(fields: Record<string, string[]>, line: string): void {
  const at = line.indexOf(':');
  if (at === 0) return; // a comment
  const name = at < 0 ? line : line.slice(0, at);
  const value = at < 0 ? '' : line.slice(at + 1).replace(/^ /, '');
  (fields[name] ??= []).push(value);
}

function toEvent(fields: Record<string, string[]>): ServerSentEvent | undefined {
  const { data, event, id } = fields;
  if (data === undefined && event === undefined) return undefined;
  return { type: event?.at(-1) ?? 'message', data: (data ?? []).join('\n'), id: id?.at(-1) };
}
