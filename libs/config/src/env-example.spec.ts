// .env.example is what people copy: it must say what the program reads.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { envExample } from './env-example.js';
import { readSettings, SECTIONS, type SectionName } from './settings.js';

describe('.env.example', () => {
  it('is what the settings say (npm run env:example writes it anew)', () => {
    expect(readFileSync(join(process.cwd(), '.env.example'), 'utf8')).toBe(envExample());
  });

  it('names every setting once, with a default that is accepted', () => {
    const lines = envExample().split('\n');
    const given = lines.flatMap((line) => /^# (KILNYARD_[A-Z0-9_]+)=(.*)$/.exec(line)?.slice(1, 3) ?? []);
    const env = Object.fromEntries(given.flatMap((word, i) => (i % 2 === 0 ? [[word, given[i + 1]]] : [])));
    const names = Object.values(SECTIONS).flatMap((section) => Object.keys(section).map((key) => `KILNYARD_${key}`));
    expect(Object.keys(env)).toEqual(names);
    expect(() => readSettings(env, ...(Object.keys(SECTIONS) as SectionName[]))).not.toThrow();
  });
});
