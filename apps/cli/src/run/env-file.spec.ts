import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../command.js';
import { parseEnvFile } from './env-file.js';

describe('a file of variables', () => {
  it.each([
    ['plain', 'A=1\nB=two words\n', [['A', '1'], ['B', 'two words']]], // prettier-ignore
    ['quotes are part of the value', 'A="1"\n', [['A', '"1"']]],
    ['so is all behind the first =', 'A=b=c # d\n', [['A', 'b=c # d']]],
    ['an empty value', 'A=\n', [['A', '']]],
    ['comments and blank lines', '# A=1\n\n  # B=2\n   \nC=3', [['C', '3']]],
    ['Windows lines and a byte order mark', '\uFEFFA=1\r\nB=2\r\n', [['A', '1'], ['B', '2']]], // prettier-ignore
    ['a name alone is taken from the environment', 'HERE\nNOT_HERE\n', [['HERE', 'yes']]],
    ['the same name twice, in order', 'A=1\nA=2\n', [['A', '1'], ['A', '2']]], // prettier-ignore
  ])('%s', (_, text, expected) => {
    expect(parseEnvFile('f', text, { HERE: 'yes' })).toEqual(expected);
  });

  it.each(['export A=hunter2', '1A=hunter2', '=hunter2', 'A-B=hunter2'])(
    '%s is refused, its value not shown',
    (line) => {
      const read = (): unknown => parseEnvFile('my.env', `# first\n${line}\n`, {});
      expect(read).toThrow(new UsageError('my.env:2: expected NAME=value or a NAME'));
    },
  );
});
