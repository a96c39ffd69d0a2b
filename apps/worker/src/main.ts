// The worker's process: reads the settings, starts, and drains on SIGTERM or SIGINT; a second signal leaves running builds for the next worker.
import { readSettings, SettingsError } from '#config/settings.js';
import { startWorker, WORKER_SECTIONS } from './start-worker.js';

async function main(): Promise<void> {
  const worker = await startWorker(readSettings(process.env, ...WORKER_SECTIONS));
  const stop = (): void => {
    worker.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

main().catch((error: unknown) => {
  console.error(error instanceof SettingsError ? error.message : error);
  process.exit(1);
});
