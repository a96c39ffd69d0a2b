// Where a reader of a log stands: lines are numbered in each attempt anew, so a place is an attempt and a line. Pure.

export interface LogPosition {
  /** From 1. */
  attempt: number;
  /** Sequence number of a line in that attempt. */
  seq: number;
}

/** `41` in the first attempt, `2:41` in a later one: the ids of the live stream. */
export function lineId({ attempt, seq }: LogPosition): string {
  return attempt <= 1 ? String(seq) : cursorAt({ attempt, seq });
}

/** `2:41`, whatever the attempt: the cursors of pages. */
export function cursorAt({ attempt, seq }: LogPosition): string {
  return `${attempt}:${seq}`;
}

/** Out: null for what is no place; `attempt` is absent where the text names none. */
export function readPosition(text: string): { attempt?: number; seq: number } | null {
  const [, attempt, seq] = /^(?:([1-9]\d{0,5}):)?(\d{1,15})$/.exec(text) ?? [];
  if (seq === undefined) return null;
  return { ...(attempt === undefined ? {} : { attempt: Number(attempt) }), seq: Number(seq) };
}

/** The line at which a reader goes on that has seen the event `id`, or null when that is none. */
export function resumeAfter(id: string): LogPosition | null {
  const seen = readPosition(id);
  return seen === null ? null : { attempt: seen.attempt ?? 1, seq: seen.seq + 1 };
}
