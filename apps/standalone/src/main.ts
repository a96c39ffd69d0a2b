// `npm start`: the whole of Kilnyard on one machine. scripts/start.mjs builds the program and then imports this file.
// `--once` runs the example, shuts down, and exits 0 exactly when the example build SUCCEEDED.
import { once as eventOf } from 'node:events';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Closers } from './closers.js';
import { serveExample } from './example-server.js';
import { putExample, runExample } from './example.js';
import { SetupError, newSay, type Say } from './say.js';
import { listenForStop } from './stop-signals.js';
import { startKilnyard, type Running } from './supervisor.js';

/** Folder with package.json: four up from dist/apps/standalone/src. */
const HOME = join(dirname(fileURLToPath(import.meta.url)), '../../../..');

/**
 * Runs until it is stopped (or, with --once, until the example is built).
 * Out: the exit status: 0 after an orderly stop, 1 for a failed start, a failed example under --once or an unclean stop.
 */
export async function main(args: readonly string[], startedAtMs = Date.now()): Promise<number> {
  const say = newSay(startedAtMs);
  const unknown = args.filter((arg) => arg !== '--once');
  if (unknown.length > 0) {
    say(`unknown argument ${unknown.join(' ')}; expected none or --once`);
    return 1;
  }
  const closers = new Closers(say);
  const signals = listenForStop((again) =>
    say(again ? 'stopping at once' : 'stopping; running builds get their grace (Ctrl-C again: at once)'),
  );
  let status = 0;
  try {
    const running = await startKilnyard({ home: HOME, env: process.env, say, closers, stop: signals.stop });
    tellReady(running, say);
    const built = await buildExample(running, closers, say, signals.stop);
    if (args.includes('--once')) status = built === 'SUCCEEDED' ? 0 : 1;
    else if (!signals.stop.aborted) await eventOf(signals.stop, 'abort');
  } catch (error) {
    if (!signals.stop.aborted) {
      status = 1;
      tellFailure(error);
    } else if (args.includes('--once')) status = 1;
  }
  const well = await closers.closeAll(signals.now);
  signals.dispose();
  say('all stopped');
  return well ? status : 1;
}

function tellReady({ api, folder, token }: Running, say: Say): void {
  say(`Kilnyard is ready: ${api.url}`);
  const lines = [
    `API in a browser   ${api.url}/docs`,
    `admin token        ${token}`,
    `kept in            ${relative(process.cwd(), join(folder, 'connection.json'))} (logs beside it, in logs/)`,
    `to stop            Ctrl-C`,
  ];
  for (const line of lines) process.stdout.write(`           ${line}\n`);
}

/** Out: the example's status, or why there is none. A failing example does not end a Kilnyard that runs. */
async function buildExample(running: Running, closers: Closers, say: Say, stop: AbortSignal): Promise<string> {
  try {
    const server = await serveExample(HOME, running.folder);
    closers.add('git', () => server.close());
    await putExample(running.api, server.url, stop);
    return await runExample(running.api, say, stop);
  } catch (error) {
    if (!stop.aborted) say(`the example did not run: ${(error as Error).message}`);
    return 'NONE';
  }
}

function tellFailure(error: unknown): void {
  const text =
    error instanceof SetupError ? error.message : error instanceof Error ? (error.stack ?? error.message) : error;
  process.stderr.write(`\nKilnyard could not be started.\n${String(text)}\n\n`);
}
