// A script beside a container's first process, by the engine's exec. It travels through the exec's input, as it may hold secrets: what stands
// in an exec's command or environment can be read from the engine.
import { Duplex, PassThrough } from 'node:stream';
import type Docker from 'dockerode';
import { type AsideEnd, MAX_ASIDE_BYTES } from '../backend.js';
import { engineFault } from './engine-errors.js';

/** The script's own input is empty. Its length comes with it, so that nothing depends on how the engine tells the end of an input. */
const READER = 's=$(head -c "$1"); exec </dev/null; eval "$s"';

/** As Sandbox.runAside. */
export async function runAside(container: Docker.Container, script: string, signal: AbortSignal): Promise<AsideEnd> {
  signal.throwIfAborted();
  try {
    const bytes = Buffer.from(script);
    const exec = await container.exec({
      Cmd: ['/bin/sh', '-c', READER, 'sh', String(bytes.length)],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await exec.start({ hijack: true, stdin: true });
    const written = await read(container, stream, bytes, signal);
    const { ExitCode } = await exec.inspect();
    return { ...written, exitCode: ExitCode ?? 137 };
  } catch (error) {
    signal.throwIfAborted();
    throw engineFault(error, 'running a script in the build container');
  }
}

function read(
  container: Docker.Container,
  stream: Duplex,
  script: Buffer,
  signal: AbortSignal,
): Promise<Pick<AsideEnd, 'output' | 'errors'>> {
  const output = new Kept();
  const errors = new Kept();
  (container.modem as { demuxStream(from: Duplex, out: PassThrough, errors: PassThrough): void }).demuxStream(
    stream,
    output.sink,
    errors.sink,
  );
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      stream.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('the connection to the engine was cut')));
    stream.once('end', () => resolve({ output: output.bytes, errors: errors.bytes }));
    // told while the engine still made the exec: nobody is to wait for what was never asked
    if (signal.aborted) abort();
    else stream.write(script);
  }).finally(() => stream.destroy()) as Promise<Pick<AsideEnd, 'output' | 'errors'>>;
}

/** The first bytes of a stream; the rest is read and let go. */
class Kept {
  bytes: Buffer = Buffer.alloc(0);
  readonly sink = new PassThrough();

  constructor() {
    this.sink.on('data', (piece: Buffer) => {
      const room = MAX_ASIDE_BYTES - this.bytes.length;
      if (room > 0) this.bytes = Buffer.concat([this.bytes, piece.subarray(0, room)]);
    });
  }
}
