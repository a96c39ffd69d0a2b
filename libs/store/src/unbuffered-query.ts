// A prepared statement whose large binary parameters go to the socket as they lie in memory. The driver's own way copies every parameter
// into a buffer that it makes and grows for each statement, which costs a log's append as much again as all else that it does here.
// Called by log-append.ts. What it sends is the extended query of Postgres' protocol (version 3): Parse once a connection, Bind,
// Describe, Execute, Sync.
import pg from 'pg';

/** What of the driver's connection is used here, beyond its types. */
interface Wire {
  stream: { write(bytes: Buffer): boolean };
  parsedStatements: Record<string, string>;
  submittedNamedStatements: Record<string, string>;
  parse(statement: { name: string; text: string }): void;
  describe(what: { type: 'P'; name: string }): void;
  execute(what: { portal: string; rows: number }): void;
  sync(): void;
}

/** The driver's query with the method by which it sends what belongs to it, between cork and uncork. */
const DriverQuery = pg.Query as unknown as new (config: pg.QueryConfig) => {
  prepare(wire: Wire): void;
};

/** A shorter parameter is copied: a piece of its own would cost more. */
const MIN_OWN_PIECE = 4_096;
const TEXT = 0;
const BINARY = 1;

/** A Buffer goes binary and is not to be changed until the answer is there; all else goes as text. */
export type Parameter = Buffer | string | number | null;

/** For `pool.query`, once. In: `text` is parsed once for each connection, under `name`; `timeoutMs` until the answer must be there. */
export class UnbufferedQuery extends DriverQuery {
  /** As the driver calls it. */
  readonly query_timeout: number;

  constructor(
    private readonly statement: { name: string; text: string; values: readonly Parameter[]; timeoutMs: number },
  ) {
    super({ name: statement.name, text: statement.text, values: [] });
    this.query_timeout = statement.timeoutMs;
  }

  override prepare(wire: Wire): void {
    const { name, text, values } = this.statement;
    if ((wire.parsedStatements[name] ?? wire.submittedNamedStatements[name]) === undefined) {
      wire.parse({ name, text });
      wire.submittedNamedStatements[name] = text;
    }
    for (const piece of bindMessage(name, values)) wire.stream.write(piece);
    wire.describe({ type: 'P', name: '' });
    wire.execute({ portal: '', rows: 0 });
    wire.sync();
  }
}

/** The Bind message of the unnamed portal, in pieces: small ones put together, each large value by itself and uncopied. */
export function bindMessage(name: string, values: readonly Parameter[]): Buffer[] {
  const encoded = values.map((value) =>
    value === null || Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'utf8'),
  );
  const formats = values.map((value) => (Buffer.isBuffer(value) ? BINARY : TEXT));
  const pieces: Buffer[] = [];
  let small: Buffer[] = [
    Buffer.from(`\0${name}\0`),
    int16(formats.length),
    ...formats.map(int16),
    int16(encoded.length),
  ];
  for (const value of encoded) {
    small.push(int32(value === null ? -1 : value.length));
    if (value === null) continue;
    if (value.length < MIN_OWN_PIECE) small.push(value);
    else {
      pieces.push(Buffer.concat(small), value);
      small = [];
    }
  }
  // one format for all columns of the answer
  pieces.push(Buffer.concat([...small, int16(1), int16(TEXT)]));
  const length = pieces.reduce((sum, piece) => sum + piece.length, 4);
  return [Buffer.concat([Buffer.from('B'), int32(length)]), ...pieces];
}

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}
