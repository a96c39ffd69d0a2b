// A worker's own /health and /metrics, for the operator's probes; nothing of builds is told here.
import { createServer, type Server } from 'node:http';
import type { WorkerInfo } from '#core/worker.js';
import type { Metrics } from '#observe/metrics.js';

/** Listens on host:port; resolves when it does. */
export async function serveWorker(options: {
  host: string;
  port: number;
  metrics: Metrics;
  info: () => WorkerInfo;
}): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/health') {
      const info = options.info();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ status: info.state === 'DEGRADED' ? 'degraded' : 'ok', ...info }));
    } else if (request.url === '/metrics') {
      options.metrics.registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': options.metrics.registry.contentType }).end(text),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return server;
}
