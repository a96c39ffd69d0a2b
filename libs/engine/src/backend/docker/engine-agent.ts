// Connections to the Docker Engine on which a call fails when its answer is cut. dockerode listens to the request's errors and to the
// answer's end; an engine that dies in the middle of an answer is neither, and the call would never end.
import { Agent, type ClientRequest, type IncomingMessage } from 'node:http';

type AddRequest = (this: Agent, request: ClientRequest, ...more: unknown[]) => void;
const { addRequest } = Agent.prototype as unknown as { addRequest: AddRequest };

export class EngineAgent extends Agent {
  /** As Node's own agent is. */
  constructor() {
    super({ keepAlive: true, scheduling: 'lifo', timeout: 5_000 });
  }

  /** Node calls it with each request that is to be sent. */
  addRequest(request: ClientRequest, ...more: unknown[]): void {
    request.once('response', (answer: IncomingMessage) => {
      answer.once('close', () => {
        if (answer.complete) return;
        // heard by whoever waits for the whole answer; who reads it as a stream is told by the stream
        if (request.listenerCount('error') > 0) request.emit('error', cutShort());
      });
    });
    addRequest.call(this, request, ...more);
  }
}

function cutShort(): Error {
  return Object.assign(new Error('the answer of the Docker Engine was cut short'), { code: 'ECONNRESET' });
}
