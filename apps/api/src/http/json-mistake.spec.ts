import { describe, expect, it } from '@jest/globals';
import { jsonMistake } from './json-mistake.js';

describe('jsonMistake', () => {
  it.each([
    ['a bare word', '{"a": x}', 6],
    ['a comma before the end', '{"a": 1, }', 9],
    ['a comma before the end of a list', '[1, ]', 4],
    ['a missing colon', '{"a" 1}', 5],
    ['a missing comma', '[1 2]', 3],
    ['the wrong bracket', '[1}', 2],
    ['something behind the end', '{} x', 3],
    ['single quotes', "{'a': 1}", 1],
    ['a newline in a text', '{"a": "b\nc"}', 6],
    ['a bad escape', '["\\x"]', 1],
    ['an end that comes too early', '{"a": [1', 8],
    ['a number that starts with nought', '[01]', 2],
  ])('finds %s', (_, text, offset) => {
    expect(() => void JSON.parse(text)).toThrow();
    expect(jsonMistake(text)).toBe(offset);
  });
});
