// `kilnyard validate [file]`: what is wrong with a buildspec, and what it would do. Needs no server.
import { parseArgs } from 'node:util';
import { examineBuildspec } from '#buildspec/examine.js';
import { MAX_BUILDSPEC_BYTES } from '#buildspec/limits.js';
import { DEFAULT_BUILDSPEC_PATH } from '#buildspec/locate.js';
import { EXIT, UsageError, type Command, type Io } from '../command.js';
import { showFinding } from './show-finding.js';
import { showPlan } from './show-plan.js';

const HELP = `Usage: kilnyard validate [options] [file]

Checks a buildspec; the file is ${DEFAULT_BUILDSPEC_PATH} when none is named, and standard input for -.

  --json      the findings and the plan as JSON
  --strict    warnings count as errors
  -h, --help  this text

Exit status: 0 valid, 1 with errors (--strict: or warnings), 2 when asked wrongly or when the file cannot be read.
`;

export const validate: Command = {
  name: 'validate',
  summary: 'Checks a buildspec, and says what it would do',
  help: HELP,
  run: runValidate,
};

async function runValidate(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean' }, strict: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (positionals.length > 1) throw new UsageError(`expected one file, got ${positionals.length}`);
  const file = positionals[0] ?? DEFAULT_BUILDSPEC_PATH;
  // One byte more than may be, so that the parser sees that it is too much.
  const text = (await io.read(file, MAX_BUILDSPEC_BYTES + 1)).toString('utf8');
  const { valid, findings, plan } = examineBuildspec(text);
  if (values.json === true) {
    io.out(`${JSON.stringify({ file, valid, findings, plan }, null, 2)}\n`);
  } else {
    const name = file === '-' ? 'standard input' : file;
    for (const finding of findings) io.out(`${showFinding(name, text, finding)}\n\n`);
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const counts = [countOf(errors, 'error'), countOf(findings.length - errors, 'warning')].filter(Boolean);
    io.out(`${name}: ${[valid ? 'valid' : 'not valid', ...counts].join(', ')}\n`);
    if (plan !== null) io.out(showPlan(plan));
  }
  return valid && (values.strict !== true || findings.length === 0) ? EXIT.done : EXIT.failed;
}

function countOf(number: number, what: string): string {
  return number === 0 ? '' : `${number} ${what}${number === 1 ? '' : 's'}`;
}
