// A report file that is not taken, with the reason for the build's log.

export class BrokenReport extends Error {
  override readonly name = 'BrokenReport';
}

/** A value from a file as a message may show it: short, on one line. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  const line = text.slice(0, 61).replace(/[\u0000-\u001f\u007f]/g, ' ');
  return line.length > 60 ? `"${line.slice(0, 60)}…"` : `"${line}"`;
}
