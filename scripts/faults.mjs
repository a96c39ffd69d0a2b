// `npm run test:faults [-- OPTIONS]`: the fault suite of test/faults, run on dist. `--help` lists its options.
import { ensureTestImages } from './test-images.mjs';
import { HOME, newSay, setUp } from './setup.mjs';

const say = newSay(Date.now());
const interrupt = new AbortController();
let unforeseen = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => interrupt.abort());
// whatever goes wrong, what was started is ended
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error) => {
    console.error(error);
    unforeseen = true;
    interrupt.abort();
  });
}
try {
  await setUp(say);
  const { main } = await import('../dist/test/faults/run.js');
  const surroundings = { home: HOME, makeImages: ensureTestImages, say, interrupt: interrupt.signal };
  process.exitCode = await main(process.argv.slice(2), surroundings);
} catch (error) {
  console.error(error?.name === 'SetupError' ? error.message : error);
  process.exitCode = 1;
}
if (unforeseen) process.exitCode = 1;
process.exit();
