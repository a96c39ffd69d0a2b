// The API's process: reads the settings, starts, says one line, and ends in order on SIGTERM or SIGINT.
import 'reflect-metadata';
import { SettingsError, readSettings } from '#config/settings.js';
import { messageOf } from '#core/errors.js';
import { createLogger } from '#observe/logger.js';
import { API_SECTIONS } from './connections.js';
import { startApi } from './start-api.js';

async function main(): Promise<void> {
  const settings = readSettings(process.env, ...API_SECTIONS);
  const logger = createLogger({ level: settings.logs.logLevel, name: 'api' });
  const api = await startApi(settings, logger);
  process.stdout.write(`api listens on ${settings.http.publicUrl || api.url} (docs at /docs)\n`);
  const end = (signal: NodeJS.Signals): void => {
    process.once(signal, () => process.exit(1)); // a second signal means now
    logger.info('api shuts down', { signal });
    api.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error('api could not shut down in order', { error });
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
}

main().catch((error: unknown) => {
  // Settings tell their own story; anything else may need its stack.
  const text = error instanceof SettingsError ? error.message : `api could not start: ${messageOf(error)}`;
  process.stderr.write(`${text}\n`);
  process.exit(1);
});
