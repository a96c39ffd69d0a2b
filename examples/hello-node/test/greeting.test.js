import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { greeting } from '../src/greeting.js';

const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
const HOUR = 3_600_000;

test('a moment to come', () => assert.equal(greeting('Ada', 2 * HOUR, 0), 'Hello Ada, 2 hours to go.'));
test('a moment gone by', () => assert.equal(greeting('Ada', 0, HOUR), 'Hello Ada, that was 1 hour ago.'));
test('this very moment', () => assert.equal(greeting('Ada', HOUR, HOUR), 'Hello Ada, it is now.'));
test('the program greets', () => {
  assert.match(execFileSync(process.execPath, [main, 'Ada'], { encoding: 'utf8' }), /Hello Ada, it is now\./);
});
test('the program refuses what is no date', () => {
  const { status, stderr } = spawnSync(process.execPath, [main, 'Ada', 'soon'], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /not a date: soon/);
});
