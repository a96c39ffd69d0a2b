// How fast lines go through the log pipeline into a sink that only counts, as a ratio to counting the newlines of the same buffers in
// the same run. Needs `npm run build` first. Usage: node scripts/bench/log-pipeline.mjs [--small]
import { LogPipeline } from '#engine/logs/pipeline.js';

const SCALE = process.argv.includes('--small') ? 20 : 1;
const READ_BYTES = 65_536;

const clock = {
  now: () => new Date(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      signal?.addEventListener('abort', () => (clearTimeout(timer), reject(signal.reason)), { once: true });
    }),
};

/** Reads of READ_BYTES, cut where they fall; a few distinct ones, repeated, so that the generator costs nothing. */
function makeReads(lineOf, lineBytes, totalBytes) {
  const text = Buffer.alloc(8_388_608 - (8_388_608 % lineBytes));
  for (let at = 0, line = 0; at < text.length; at += lineBytes, line += 1) text.write(lineOf(line), at, 'latin1');
  const reads = [];
  for (let sent = 0; sent < totalBytes; sent += text.length) {
    for (let at = 0; at < text.length; at += READ_BYTES) reads.push(text.subarray(at, at + READ_BYTES));
  }
  return reads;
}

const WORDS =
  'compile link fetch resolve install running passed src/index.ts node_modules/left-pad dist warning: deprecated'.split(
    ' ',
  );
function prose(line, bytes) {
  let text = `${line} `;
  for (let word = line; text.length < bytes; word += 7) text += `${WORDS[word % WORDS.length]} `;
  return `${text.slice(0, bytes - 1)}\n`;
}

const secrets = Array.from({ length: 10 }, (_, index) => `s3cr3t/${index}+${'Ab9xQz'.repeat(1 + (index % 5))}==`);
const inputs = [
  {
    name: '10 million lines of 8 bytes',
    reads: makeReads((line) => `${String(line % 1e7).padStart(7, '0')}\n`, 8, 8e7 / SCALE),
  },
  { name: '537 MB in lines of 100 bytes', reads: makeReads((line) => prose(line, 100), 100, 5.37e8 / SCALE) },
];

function countNewlines(reads) {
  let count = 0;
  for (const bytes of reads) for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

async function throughPipeline(reads, secretList) {
  let lines = 0;
  const count = async (chunks) => void chunks.forEach((chunk) => (lines += chunk.lineCount));
  const sink = { prepare: () => {}, append: count, seal: async () => {} };
  const pipeline = new LogPipeline({ sink, clock, secrets: secretList });
  for (const bytes of reads) await pipeline.write(bytes);
  await pipeline.end();
  return lines;
}

async function timed(work) {
  const start = process.hrtime.bigint();
  const lines = await work();
  return { lines, seconds: Number(process.hrtime.bigint() - start) / 1e9 };
}

for (const { name, reads } of inputs) {
  const megabytes = reads.reduce((sum, bytes) => sum + bytes.length, 0) / 1e6;
  const baseline = await timed(() => countNewlines(reads));
  console.log(
    `${name}: baseline (newlines counted) ${baseline.seconds.toFixed(2)} s, ${(megabytes / baseline.seconds).toFixed(0)} MB/s`,
  );
  for (const [label, list] of [
    ['no secrets', []],
    ['10 secrets', secrets],
  ]) {
    const { lines, seconds } = await timed(() => throughPipeline(reads, list));
    const rate = `${(megabytes / seconds).toFixed(0)} MB/s, ${(lines / seconds / 1e6).toFixed(2)} M lines/s`;
    console.log(`  ${label}: ${seconds.toFixed(2)} s, ${rate}, ${(seconds / baseline.seconds).toFixed(2)} x baseline`);
  }
}
