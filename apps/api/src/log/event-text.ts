// Text of an event as bytes, in memory that is used again for the next. Called by lines-event.ts.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PLAIN = 0x20;
const FIRST_NOT_ASCII = 0x80;
/** A byte becomes at most `\u001b`. */
const MAX_GROWTH = 6;
/** Memory of a longer event is let go with it. */
const KEPT_BYTES = 1024 * 1024;

export class EventText {
  length = 0;
  private bytes = Buffer.allocUnsafe(64 * 1024);

  /** `text` must be ASCII. */
  ascii(text: string): void {
    this.reserve(text.length);
    for (let index = 0; index < text.length; index += 1) this.bytes[this.length + index] = text.charCodeAt(index);
    this.length += text.length;
  }

  /** `text` as JSON.stringify would put it between its quotes. In: UTF-8; what is none becomes U+FFFD, as in a string. */
  json(text: Buffer, from: number, to: number): void {
    this.reserve((to - from) * MAX_GROWTH);
    const { bytes } = this;
    let at = this.length;
    for (let index = from; index < to; index += 1) {
      const byte = text[index]!;
      if (byte < FIRST_PLAIN || byte === QUOTE || byte === BACKSLASH || byte >= FIRST_NOT_ASCII) {
        this.rare(text.toString('utf8', from, to));
        return;
      }
      bytes[at] = byte;
      at += 1;
    }
    this.length = at;
  }

  /** A copy of all that was written; begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.length));
    this.length = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafe(KEPT_BYTES);
    return taken;
  }

  private rare(text: string): void {
    const quoted = JSON.stringify(text);
    this.reserve(quoted.length * 3);
    this.length += this.bytes.write(quoted.slice(1, -1), this.length);
  }

  private reserve(length: number): void {
    if (this.length + length <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.length + length));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}
