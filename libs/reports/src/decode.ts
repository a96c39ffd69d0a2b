// Bytes of a report file to text, piece by piece. The encoding is what the byte order mark says, else the XML declaration, else UTF-8.
import { BrokenReport, shown } from './broken-report.js';

/** Bytes that are decoded at once: short enough that a parser which stops early has not decoded all. */
const PIECE_BYTES = 256 * 1024;
/** As the XML declaration may name them; each is one that TextDecoder knows. */
const ENCODINGS = ['utf-8', 'utf8', 'us-ascii', 'ascii', 'iso-8859-1', 'iso-8859-15', 'windows-1252', 'utf-16'];

/** Errors: BrokenReport for an encoding that is not read, and for bytes that are none in it. */
export function* decode(bytes: Uint8Array): Generator<string> {
  const encoding = encodingOf(bytes);
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      yield decoder.decode(bytes.subarray(at, at + PIECE_BYTES), { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw new BrokenReport(`expected ${encoding}, got bytes that are not`);
    throw error;
  }
}

/** The whole text at once. Errors: as decode. */
export function decodeAll(bytes: Uint8Array): string {
  return [...decode(bytes)].join('');
}

function encodingOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  if (bytes[0] === 0xef && bytes[1] === 0xbb) return 'utf-8';
  const head = Buffer.from(bytes.subarray(0, 200)).toString('latin1');
  const declared = /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']{1,40})["']/.exec(head)?.[1]?.toLowerCase();
  if (declared === undefined) return 'utf-8';
  if (!ENCODINGS.includes(declared))
    throw new BrokenReport(`expected one of ${ENCODINGS.join(', ')}, got the encoding ${shown(declared)}`);
  // without a byte order mark the declaration could not be read if it were true
  return declared === 'utf-16' ? 'utf-8' : declared;
}
