// Sealing: opens under the same key and name only, and says why it does not.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { MasterKey, newMasterKey, readMasterKey, seal, unseal } from './seal.js';

const key = new MasterKey(Buffer.alloc(32, 7));
const place = { kind: 'secret', name: 'db' };

describe('seal', () => {
  it.each(['', 'hunter2', 'zeile\nmit ümlaut 🔑', 'x'.repeat(100_000)])('opens again: %.20s', (text) => {
    const sealed = seal(key, place, text);
    expect(sealed.includes(text) && text !== '').toBe(false);
    expect(unseal(key, place, sealed)).toBe(text);
  });

  it('never seals the same way twice', () => {
    expect(seal(key, place, 'a').equals(seal(key, place, 'a'))).toBe(false);
  });

  const sealed = seal(key, place, 'hunter2');
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(sealed);
    copy[at < 0 ? copy.length + at : at]! ^= 1;
    return copy;
  };
  it.each([
    ['another key', () => unseal(new MasterKey(Buffer.alloc(32, 8)), place, sealed), /another master key/],
    [
      'another name',
      () => unseal(key, { kind: 'secret', name: 'other' }, sealed),
      /damaged, or belong to another name/,
    ],
    ['another kind', () => unseal(key, { kind: 'parameter', name: 'db' }, sealed), /belong to another name/],
    ['a changed text', () => unseal(key, place, flipped(18)), /damaged/],
    ['a changed nonce', () => unseal(key, place, flipped(6)), /damaged/],
    ['a changed tag', () => unseal(key, place, flipped(-1)), /damaged/],
    ['a changed version', () => unseal(key, place, flipped(0)), /expected version 1, got 0/],
    ['nothing', () => unseal(key, place, Buffer.alloc(0)), /expected version 1, got nothing/],
    ['a cut end', () => unseal(key, place, sealed.subarray(0, 20)), /expected version/],
  ])('does not open with %s', (_, open, message) => {
    expect(open).toThrow(expect.objectContaining({ code: 'INTERNAL', message: expect.stringMatching(message) }));
  });
});

describe('readMasterKey', () => {
  it('reads the setting, else the file in base64 or raw', () => {
    const dir = mkdtempSync(join(tmpdir(), 'kilnyard-key-'));
    try {
      const text = newMasterKey();
      const mark = new MasterKey(Buffer.from(text, 'base64')).mark;
      const file = (name: string, content: string | Buffer): string => {
        writeFileSync(join(dir, name), content);
        return join(dir, name);
      };
      expect(readMasterKey({ masterKey: text, masterKeyFile: '' }).mark).toEqual(mark);
      expect(readMasterKey({ masterKey: '', masterKeyFile: file('a', `${text}\n`) }).mark).toEqual(mark);
      expect(readMasterKey({ masterKey: '', masterKeyFile: file('b', Buffer.from(text, 'base64')) }).mark).toEqual(
        mark,
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it.each([
    ['a short key', { masterKey: 'c2hvcnQ=', masterKeyFile: '' }, /got 5 bytes/],
    ['no file', { masterKey: '', masterKeyFile: '/nowhere/key' }, /no readable file \/nowhere\/key/],
  ])('refuses %s', (_, settings, message) => {
    expect(() => readMasterKey(settings)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(message) }),
    );
  });

  it('never shows the key', () => {
    expect(`${key} ${inspect(key)} ${JSON.stringify({ key })}`).toBe(
      'MasterKey(***) MasterKey(***) {"key":"MasterKey(***)"}',
    );
  });
});
