import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { countNewlines, NEWLINE } from './line-block.js';

it('counts newlines whatever is beside them, wherever the bytes begin and end in their memory', () => {
  // neighbours of the newline by value, and the values at which a carry could cross a byte
  const byte = fc.oneof(
    fc.constantFrom(0x00, 0x09, 0x0a, 0x0b, 0x7f, 0x80, 0x8a, 0x8b, 0xff),
    fc.integer({ max: 255, min: 0 }),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 70 }), fc.nat(7), fc.nat(7), (values, before, after) => {
      const memory = Buffer.alloc(before + values.length + after, NEWLINE);
      Buffer.from(values).copy(memory, before);
      const bytes = memory.subarray(before, before + values.length);
      expect(countNewlines(bytes)).toBe(values.filter((value) => value === NEWLINE).length);
    }),
    { numRuns: 500 },
  );
});
