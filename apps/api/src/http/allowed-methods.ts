// Which methods a path has, so that the wrong one is told apart (405 with Allow) from a path that is nowhere (404).
import type { FastifyInstance } from 'fastify';

export class AllowedMethods {
  private readonly routes: { shape: RegExp; method: string }[] = [];

  /** Listens to the routes as they are registered; call before the application starts. */
  watch(server: FastifyInstance): void {
    server.addHook('onRoute', (route) => {
      for (const method of [route.method].flat()) this.routes.push({ shape: shapeOf(route.url), method });
    });
  }

  /** In: the path as it was asked for, without its query. Out: methods in order, empty when no route has this path. */
  of(path: string): string[] {
    const methods = this.routes.filter((route) => route.shape.test(path)).map((route) => route.method);
    return [...new Set(methods)].sort();
  }
}

/** `/v1/builds/:id/log` as an expression; `*` takes everything behind it. */
function shapeOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+';
    if (part.includes('*')) return '.+';
    return part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('/')}/?$`);
}
