#!/usr/bin/env node
// The command `kilnyard`. The program itself is compiled TypeScript; where that is missing, it is made first.
import { existsSync } from 'node:fs';

const program = new URL('../../dist/apps/cli/src/main.js', import.meta.url);

// `kilnyard … | head`: whoever reads has read enough. A command that has to clear up behind itself listens, and does.
process.stdout.on('error', (error) => {
  if (process.emit('SIGPIPE')) return;
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

async function compile() {
  const { SetupError, setUp } = await import('../../scripts/setup.mjs');
  try {
    await setUp((line) => process.stderr.write(`kilnyard: ${line}\n`));
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`kilnyard: ${error.message}\n`);
    return false;
  }
}

if (existsSync(program) || (await compile())) {
  const { main, processIo } = await import(program.href);
  process.exitCode = await main(process.argv.slice(2), processIo());
} else {
  process.exitCode = 2;
}
