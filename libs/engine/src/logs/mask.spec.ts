import { describe, expect, it, jest } from '@jest/globals';
import { PhaseFailure } from '#core/errors.js';
import fc from 'fast-check';
import { Mask, MAX_SECRET_BYTES } from './mask.js';
import { secretForms } from './secret-forms.js';

function masked(mask: Mask, parts: Buffer[]): string {
  return Buffer.concat([...parts.map((part) => Buffer.from(mask.push(part))), mask.end()]).toString('latin1');
}

function cutAt(text: Buffer, points: number[]): Buffer[] {
  const edges = [0, ...points.map((point) => Math.min(point, text.length)).sort((a, b) => a - b), text.length];
  return edges.slice(1).map((edge, index) => text.subarray(edges[index], edge));
}

/** The slow way: every occurrence of every form by indexOf, as marked bytes; each run of them becomes stars. */
function oracle(text: Buffer, secrets: string[]): string {
  const latin1 = text.toString('latin1');
  const hit = new Uint8Array(text.length);
  for (const form of secrets.flatMap((secret) => secretForms(secret))) {
    const wanted = form.toString('latin1');
    for (let at = latin1.indexOf(wanted); at !== -1; at = latin1.indexOf(wanted, at + 1))
      hit.fill(1, at, at + wanted.length);
  }
  for (let at = 0; at < latin1.length; at += 1) {
    if (/^A[KS]IA[A-Z0-9]{16}/.test(latin1.slice(at, at + 20))) hit.fill(1, at, at + 20);
  }
  let out = '';
  for (let at = 0; at < latin1.length; at += 1) {
    if (hit[at] === 0) out += latin1[at];
    else if (at === 0 || hit[at - 1] === 0) out += '***';
  }
  return out;
}

const letters = fc.constantFrom('a', 'a', 'a', 'b', 'c', '\n', '"', 'é');
/** Secrets that repeat their beginnings and overlap each other. */
const secretsOf = fc.array(
  fc.oneof(
    fc.array(letters, { minLength: 4, maxLength: 9 }).map((parts) => parts.join('')),
    fc.constantFrom('aaaa', 'aaab', 'abab', 'ababac', 'aabaab', 'baaab\naaab'),
  ),
  { minLength: 1, maxLength: 4 },
);
/** Texts made of letters, pieces of the secrets, whole forms of them, and key ids whole and cut. */
const casesOf = secretsOf.chain((secrets) => {
  const forms = secrets.flatMap((secret) => secretForms(secret));
  const piece = fc.oneof(
    letters.map((letter) => Buffer.from(letter)),
    fc
      .constantFrom('AKIA', 'ASIA0123456789ABCDEF', 'AKI', '0123456789ABCDEF', 'AAKIAAKIA')
      .map((text) => Buffer.from(text)),
    ...(forms.length === 0
      ? []
      : [
          fc.constantFrom(...forms),
          fc.tuple(fc.constantFrom(...forms), fc.nat(12)).map(([form, length]) => form.subarray(0, length)),
          fc.tuple(fc.constantFrom(...forms), fc.nat(12)).map(([form, from]) => form.subarray(from)),
        ]),
  );
  const text = fc.array(piece, { maxLength: 14 }).map((parts) => Buffer.concat(parts));
  return fc.record({ secrets: fc.constant(secrets), text });
});

// The properties build many automata: time for a busy machine, not for the mask.
jest.setTimeout(60_000);

describe('Mask', () => {
  it('gives the same for every cut, and what the slow way gives', () => {
    fc.assert(
      fc.property(casesOf, ({ secrets, text }) => {
        const expected = oracle(text, secrets);
        const mask = () => new Mask(secrets);
        expect(masked(mask(), [text])).toBe(expected);
        for (let point = 0; point <= text.length; point += 1) {
          expect(masked(mask(), cutAt(text, [point]))).toBe(expected);
        }
        expect(
          masked(
            mask(),
            [...text].map((byte) => Buffer.of(byte)),
          ),
        ).toBe(expected);
      }),
      { numRuns: 25 },
    );
  });

  it('gives the same for many cuts at once', () => {
    fc.assert(
      fc.property(casesOf, fc.array(fc.nat(120), { maxLength: 12 }), ({ secrets, text }, points) => {
        expect(masked(new Mask(secrets), cutAt(text, points))).toBe(oracle(text, secrets));
      }),
      { numRuns: 250 },
    );
  });

  it('lets no form of a secret through', () => {
    fc.assert(
      fc.property(casesOf, fc.array(fc.nat(120), { maxLength: 4 }), ({ secrets, text }, points) => {
        const out = masked(new Mask(secrets), cutAt(text, points));
        for (const form of secrets.flatMap((secret) => secretForms(secret))) {
          expect(out.includes(form.toString('latin1'))).toBe(false);
        }
      }),
      { numRuns: 150 },
    );
  });

  it.each([
    ['a repeating start across the cut', ['aab1'], ['aaab', '1x'], 'a***x'],
    ['overlapping secrets are one run', ['abcd', 'cdef'], ['xabcdefx'], 'x***x'],
    ['secrets that touch are one run', ['abcd'], ['abcd', 'abcd', 'abcd!'], '***!'],
    ['the longest of several', ['abcd', 'abcdefgh'], ['abcdefgh'], '***'],
    ['a beginning that comes to nothing', ['abcdefgh'], ['abcdefg', 'x'], 'abcdefgx'],
    ['a beginning at the very end', ['abcdefgh'], ['x', 'abcdefg'], 'xabcdefg'],
    ['a secret over two lines', ['first half\nother half'], ['x first h', 'alf\nother', ' half x\n'], 'x *** x\n'],
    ['a key id of AWS', [], ['id=AKIA0123456789', 'ABCDEF;'], 'id=***;'],
    ['half a key id', [], ['AKIA0123', ' ASIA'], 'AKIA0123 ASIA'],
    ['too short a secret', ['abc'], ['abc'], 'abc'],
  ])('%s', (_reason, secrets, parts, expected) => {
    expect(
      masked(
        new Mask(secrets),
        parts.map((part) => Buffer.from(part)),
      ),
    ).toBe(expected);
  });

  it('holds back nothing but what may become a secret', () => {
    const mask = new Mask(['secret-value']);
    expect(mask.push(Buffer.from('hello sec')).toString()).toBe('hello ');
    expect(mask.push(Buffer.from('ond')).toString()).toBe('second');
    expect(mask.push(Buffer.from('secret-value')).toString()).toBe('');
    expect(mask.push(Buffer.from('.')).toString()).toBe('***.');
  });

  it('passes the same buffer on where there is nothing to mask', () => {
    const bytes = Buffer.from('nothing here');
    expect(new Mask().push(bytes).buffer).toBe(bytes.buffer);
  });

  it('masks a secret that is added on the way, and goes on masking those it had', () => {
    fc.assert(
      fc.property(casesOf, fc.nat(60), ({ secrets, text }, point) => {
        const mask = new Mask(secrets.slice(1));
        const [before, after] = cutAt(text, [point]) as [Buffer, Buffer];
        const out = mask.push(before).toString('latin1');
        mask.add(secrets);
        const rest = masked(mask, [after]);
        for (const form of secrets.flatMap((secret) => secretForms(secret))) {
          expect(rest.includes(form.toString('latin1'))).toBe(false);
        }
        for (const form of secrets.slice(1).flatMap((secret) => secretForms(secret))) {
          expect((out + rest).includes(form.toString('latin1'))).toBe(false);
        }
        if (out === '') expect(rest).toBe(oracle(text, secrets));
      }),
      { numRuns: 150 },
    );
  });

  it('keeps a key id in mind that was found but is held back when a secret is added', () => {
    const mask = new Mask(['AKIA0123456789ABCDEF/and-more']);
    mask.push(Buffer.from('AKIA0123456789ABCDEF/and'));
    mask.add(['another']);
    expect(mask.end().toString()).toBe('***/and');
  });

  it('masks a text aside without touching what is held back', () => {
    const mask = new Mask(['secret-value']);
    mask.push(Buffer.from('secret-'));
    expect(mask.whole(Buffer.from('a secret-value, secret-')).toString()).toBe('a ***, secret-');
    expect(masked(mask, [Buffer.from('value')])).toBe('***');
  });

  it('refuses more secrets than it can hold, and keeps those it has', () => {
    const mask = new Mask(['secret-value']);
    expect(() => mask.add(['x'.repeat(MAX_SECRET_BYTES)])).toThrow(PhaseFailure);
    expect(() => mask.add(['x'.repeat(MAX_SECRET_BYTES)])).toThrow(
      `expected at most ${MAX_SECRET_BYTES} bytes together, got ${MAX_SECRET_BYTES + 12}`,
    );
    expect(masked(mask, [Buffer.from('secret-value')])).toBe('***');
  });

  it('masks a private key in all its lines', () => {
    const body = Array.from({ length: 60 }, (_, line) =>
      Buffer.from(`line ${line} of the key, long enough to fill it`).toString('base64'),
    );
    const key = ['-----BEGIN PRIVATE KEY-----', ...body, '-----END PRIVATE KEY-----'].join('\n');
    expect(masked(new Mask([key]), [Buffer.from(`x${key}x`)])).toBe('x***x');
    expect(masked(new Mask([key]), [Buffer.from(body.map((line) => `> ${line}\n`).join(''))])).toBe(
      '> ***\n'.repeat(60),
    );
    expect(masked(new Mask([key]), [Buffer.from(JSON.stringify({ key }))])).toBe('{"key":"***"}');
  });
});
