// The text inside an element of a test case, gathered in pieces and never more of it than is kept.
import { MASK_MARGIN, MAX_CASE_MESSAGE } from '#core/report.js';

const MAX_TEXT = MAX_CASE_MESSAGE + MASK_MARGIN;

export class CaseText {
  private text = '';

  add(piece: string): void {
    if (this.text.length < MAX_TEXT) this.text += piece.slice(0, MAX_TEXT - this.text.length);
  }

  /** Gives what was gathered, trimmed, and begins anew. */
  take(): string {
    const { text } = this;
    this.text = '';
    return text.trim();
  }
}

/** Those that say something, one below the other; one that the next begins with is left out. */
export function joined(...texts: readonly (string | undefined)[]): string {
  const said = texts.map((text) => (text ?? '').trim()).filter((text) => text !== '');
  return said.filter((text, index) => !(said[index + 1] ?? '').startsWith(text)).join('\n');
}
