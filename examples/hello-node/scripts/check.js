// Parses every source file and looks for what should not be committed.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

const files = ['src', 'test', 'scripts'].flatMap((folder) =>
  readdirSync(new URL(`../${folder}/`, import.meta.url)).map((name) => `${folder}/${name}`),
);
const findings = [];
for (const file of files) {
  execFileSync(process.execPath, ['--check', file], { stdio: 'inherit' });
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((line, index) => {
      if (/\s+$/.test(line)) findings.push(`${file}:${index + 1}: blanks at the end of the line`);
      if (/\bdebugger;/.test(line)) findings.push(`${file}:${index + 1}: a debugger statement`);
    });
}
for (const finding of findings) console.error(finding);
console.log(`${files.length} files checked, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
