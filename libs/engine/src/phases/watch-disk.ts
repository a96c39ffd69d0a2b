// Ends a build that takes more of the worker's disk than its compute type gives it.
import { COMPUTE_TYPES } from '#core/compute-type.js';
import type { BuildRun } from '../build-run.js';
import { sayExceeded } from './full-disk.js';

/** Looks every `diskCheckMs`; stop ends it. A look that fails (the sandbox is just gone) is made again next time. */
export function watchDisk(run: BuildRun): { stop(): void } {
  const { diskBytes } = COMPUTE_TYPES[run.request.build.settings.environment.computeType];
  let looking = false;
  const look = async (): Promise<void> => {
    if (run.sandbox === null || run.script === null || looking || run.diskExceeded !== null) return;
    looking = true;
    try {
      const bytes = await run.sandbox.diskUsage();
      if (bytes <= diskBytes) return;
      run.diskExceeded = sayExceeded(bytes, diskBytes);
      await run.sandbox.kill();
    } catch {
      // the sandbox may be ending: its own end is seen by those who wait for it
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => void look(), run.request.diskCheckMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
