// What the running piece of work is about, carried by the async context so that every diagnostic line and fault can name it.
import { AsyncLocalStorage } from 'node:async_hooks';

/** The fixed keys of a diagnostic line. */
export interface WorkContext {
  requestId?: string;
  buildId?: string;
  projectId?: string;
  workerId?: string;
}

const storage = new AsyncLocalStorage<WorkContext>();

/** Runs `work` with `context` laid over the present one; everything awaited inside sees it. */
export function withContext<T>(context: WorkContext, work: () => T): T {
  return storage.run({ ...storage.getStore(), ...context }, work);
}

/** The present context; empty outside of any. */
export function currentContext(): Readonly<WorkContext> {
  return storage.getStore() ?? {};
}
