// `npm run bench [-- [--quick] [--profile] ROW…]`: the benchmarks of scripts/bench/rows, each against a baseline of the same run, as a table
// on the terminal and in bench-results/ (Markdown, and JSON with all samples). Works on dist, with processes and data of its own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { HOME, newSay, setUp } from './setup.mjs';
import { House } from './bench/house.mjs';
import { loadBeside, thisMachine } from './bench/machine.mjs';
import { figuresOf, markdownTable } from './bench/table.mjs';

/** In the order of the table. Each file exports `about` and `run({ house, quick, say })`. */
const ROWS = ['start', 'start-git', 'cold', 'log-volume', 'log-delay', 'queue', 'readers', 'scale', 'cache', 'idle'];
/** Run only when named: it measures a part by itself, needs no processes, and prints its own table. */
const ALONE = ['log-pipeline', 'archive', 'retention', 'scaling'];
/** A row that takes longer is given up, so that the whole ends. */
const ROW_LIMIT_MS = 15 * 60_000;
const RESULTS = join(HOME, 'bench-results');

const args = process.argv.slice(2).filter((arg) => arg !== '--');
const flags = args.filter((arg) => arg.startsWith('--'));
const named = args.filter((arg) => !arg.startsWith('--'));
const wrong = [
  ...named.filter((name) => !ROWS.includes(name) && !ALONE.includes(name)),
  ...flags.filter((flag) => !['--quick', '--profile'].includes(flag)),
];
if (wrong.length > 0) {
  console.error(
    `unknown: ${wrong.join(' ')}; rows are ${ROWS.join(', ')}, ${ALONE.join(', ')}; flags --quick and --profile`,
  );
  process.exit(1);
}
const say = newSay(Date.now());
const quick = flags.includes('--quick');
await setUp(say);
for (const name of ALONE.filter((one) => named.includes(one))) {
  const { status } = spawnSync(process.execPath, [join(HOME, `scripts/bench/${name}.mjs`)], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
const rows = named.length === 0 ? ROWS : ROWS.filter((row) => named.includes(row));
process.exitCode = rows.length === 0 ? 0 : await measure(rows);
process.exit();

async function measure(names) {
  const date = new Date();
  mkdirSync(RESULTS, { recursive: true });
  const profileDir = flags.includes('--profile') ? join(RESULTS, 'profiles') : undefined;
  const house = await House.start({ say, profileDir });
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => stopped.abort(new Error(`stopped by ${signal}`)));
  const figures = [];
  const failures = [];
  try {
    for (const name of names) {
      if (stopped.signal.aborted) break;
      await one(name, house, stopped.signal).then(
        (measured) => figures.push(...measured),
        (error) => {
          failures.push(`${name}: ${error.message}`);
          say(`${name} FAILED: ${error.stack}`);
        },
      );
      write({ date, names, figures, failures, engine: house.engineVersion });
    }
  } finally {
    await house.stop();
  }
  console.log(`\n${write({ date, names, figures, failures, engine: house.engineVersion })}`);
  return failures.length === 0 ? 0 : 1;
}

async function one(name, house, stopped) {
  const { about, run } = await import(`./bench/rows/${name}.mjs`);
  await house.settled();
  const load = await loadBeside();
  say(`${name}: ${about} (beside: ${load})`);
  const began = performance.now();
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`not done within ${ROW_LIMIT_MS / 60_000} minutes`)), ROW_LIMIT_MS).unref();
    stopped.addEventListener('abort', () => reject(stopped.reason));
  });
  const measured = (await Promise.race([run({ house, quick, say }), late])).map((row) => {
    const figures = { ...figuresOf({ ...row, name, load }), samples: row.samples };
    return row.baseline === undefined ? figures : { ...figures, baselineSamples: row.baseline.samples };
  });
  say(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s\n${markdownTable(measured)}`);
  return measured;
}

/** Writes what there is so far. Out: the Markdown. */
function write({ date, names, figures, failures, engine }) {
  const machine = { ...thisMachine(), engine };
  const command = `npm run bench${args.length === 0 ? '' : ` -- ${args.join(' ')}`}`;
  const text = [
    `\`${command}\`, ${date.toISOString().slice(0, 16).replace('T', ' ')} UTC, ${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB,` +
      ` Linux ${machine.kernel}, Docker ${machine.engine}, Node ${machine.node}.`,
    '',
    markdownTable(figures),
    ...figures.filter(({ note }) => note !== undefined).map(({ what, note }) => `\n${what}: ${note}`),
    ...failures.map((failure) => `\nFAILED: ${failure}`),
    '',
  ].join('\n');
  const stem = names.length === ROWS.length ? `all${quick ? '-quick' : ''}` : names.join('+');
  for (const base of [stem, `${date.toISOString().slice(0, 19).replaceAll(':', '')}-${stem}`]) {
    writeFileSync(join(RESULTS, `${base}.md`), text);
    writeFileSync(
      join(RESULTS, `${base}.json`),
      `${JSON.stringify({ command, date, machine, figures, failures }, null, 1)}\n`,
    );
  }
  return text;
}
