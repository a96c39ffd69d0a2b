// Follows a script that runs: its events, and all of its container's output into the log.
import type { BuildRun } from '../build-run.js';
import { ScriptWatch } from './script-watch.js';

/** From here on run.script and run.outputRead tell of it. Trouble with either ends the build. */
export function watchScript(run: BuildRun): void {
  const watch = new ScriptWatch((event) => run.pauses.heard(event));
  run.script = watch;
  watch.follow(run.sandbox!.events(run.ending)).catch(run.fail);
  run.outputRead = readOutput(run);
  // output that cannot be stored must not be left to fill the spool
  run.outputRead.catch(run.fail);
}

/** Awaiting each write is what slows a build down whose log is slow. */
async function readOutput(run: BuildRun): Promise<void> {
  for await (const { at, bytes } of run.sandbox!.output(run.log.next, run.ending)) await run.log.write(bytes, at);
}
