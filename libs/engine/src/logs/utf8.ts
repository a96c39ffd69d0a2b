// Where a stream of bytes may be cut without breaking a character. Called by lines.ts alone.

/**
 * The last index, at most `end`, at which `bytes` may be cut: `end` itself, or up to three bytes before it when a UTF-8 sequence that may
 * still be completed begins there. Bytes that are no UTF-8 may be cut anywhere.
 */
export function utf8Cut(bytes: Uint8Array, end: number): number {
  for (let back = 1; back <= 3 && back <= end; back += 1) {
    const byte = bytes[end - back]!;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) return sequenceLength(byte) > back ? end - back : end;
  }
  return end;
}

/** Length that a first byte announces; 1 for bytes that begin nothing. */
function sequenceLength(first: number): number {
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 1;
}
