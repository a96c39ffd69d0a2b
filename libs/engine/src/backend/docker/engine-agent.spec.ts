import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Docker from 'dockerode';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineAgent } from './engine-agent.js';

let dir: string;
let server: Server;
let docker: Docker;
let answer: RequestListener;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kilnyard-agent-'));
  const socketPath = join(dir, 'engine.sock');
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  docker = new Docker({ socketPath, agent: new EngineAgent() } as Docker.DockerOptions);
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(dir, { recursive: true });
});

describe('a call to the engine', () => {
  it('fails when its answer is cut in the middle', async () => {
    answer = (_, response) => {
      response.write('{"Status');
      setImmediate(() => response.destroy());
    };
    await expect(docker.getContainer('x').wait()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('fails when it gets no answer at all', async () => {
    answer = (_, response) => response.destroy();
    await expect(docker.ping()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('gets the whole of an answer, one after the other on one connection', async () => {
    let connections = 0;
    server.on('connection', () => (connections += 1));
    answer = (_, response) => response.end('{"StatusCode":0}');
    for (let call = 0; call < 3; call += 1) expect(await docker.getContainer('x').wait()).toEqual({ StatusCode: 0 });
    expect(connections).toBe(1);
  });

  it('that reads a stream is told by the stream', async () => {
    answer = (_, response) => {
      response.write('{"status":"pulling"}\n');
      setTimeout(() => response.destroy(), 20);
    };
    const stream = (await docker.getEvents()) as NodeJS.ReadableStream;
    const seen: string[] = [];
    stream.on('data', (bytes: Buffer) => seen.push(bytes.toString()));
    await expect(new Promise((_, reject) => stream.once('error', reject))).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    expect(seen).toEqual(['{"status":"pulling"}\n']);
  });
});
