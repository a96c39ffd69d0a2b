// `npm start [-- --once]`: sets up what is missing, then becomes Kilnyard (apps/standalone).
import { SetupError, newSay, setUp } from './setup.mjs';

const startedAtMs = Date.now();
try {
  await setUp(newSay(startedAtMs));
} catch (error) {
  process.stderr.write(
    `\nKilnyard could not be set up.\n${error instanceof SetupError ? error.message : error.stack}\n\n`,
  );
  process.exit(1);
}
const { main } = await import('../dist/apps/standalone/src/main.js');
process.exitCode = await main(process.argv.slice(2), startedAtMs);
// Idle connections of the HTTP client must not keep a stopped program alive.
process.exit();
