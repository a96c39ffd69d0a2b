import { describe, expect, it } from '@jest/globals';
import { chooseRuntimes, readRuntimes } from './runtimes.js';

const CATALOGUE = readRuntimes(`
version: 0.1
runtimes:
  android:
    versions:
      28:
        requires:
          java: ["corretto8"]
        commands:
          - echo android
  java:
    versions:
      corretto8: { commands: [java 8] }
      corretto11: { commands: [java 11] }
      corretto21: { commands: [java 21] }
  python:
    versions:
      3.9: { commands: [pyenv global $PYTHON_39_VERSION] }
      3.10: { commands: [pyenv global $PYTHON_310_VERSION] }
      default:
        commands:
          - echo "Installing $VERSION \${VERSION} $VERSIONS"
          - pyenv global $VERSION
  nodejs:
    versions:
      18: { commands: [n 18] }
      20: { commands: [n 20] }
`);
const choose = (wanted: Record<string, string>, variables: Record<string, string> = {}): string[] =>
  chooseRuntimes(
    CATALOGUE,
    Object.entries(wanted).map(([name, version]) => ({ name, version })),
    new Map(Object.entries(variables)),
  ).flatMap(({ name, version, commands }) => [`${name} ${version}`, ...commands]);

describe('runtime versions', () => {
  it.each<[string, Record<string, string>, string[]]>([
    ['one that is listed', { python: '3.10' }, ['python 3.10', 'pyenv global $PYTHON_310_VERSION']],
    ['the highest, by its numbers', { python: 'latest' }, ['python 3.10', 'pyenv global $PYTHON_310_VERSION']],
    ['the highest, with a word before', { java: 'latest' }, ['java corretto21', 'java 21']],
    ['the highest of a major one', { python: '3.x' }, ['python 3.10', 'pyenv global $PYTHON_310_VERSION']],
    ['a major one that is listed as such', { nodejs: '18.x' }, ['nodejs 18', 'n 18']],
    [
      'several, in their order',
      { nodejs: '20', java: 'corretto11' },
      ['nodejs 20', 'n 20', 'java corretto11', 'java 11'],
    ],
    ['by a variable', { nodejs: '$NODE' }, ['nodejs 20', 'n 20']],
    ['by a variable in braces', { nodejs: '${NODE}' }, ['nodejs 20', 'n 20']],
    [
      'another, where there is a default',
      { python: '3.7.2' },
      ['python 3.7.2', 'echo "Installing 3.7.2 3.7.2 $VERSIONS"', 'pyenv global 3.7.2'],
    ],
    [
      'a major one that the default installs',
      { python: '2.x' },
      ['python 2', 'echo "Installing 2 2 $VERSIONS"', 'pyenv global 2'],
    ],
    [
      'what it requires',
      { java: 'corretto8', android: '28' },
      ['java corretto8', 'java 8', 'android 28', 'echo android'],
    ],
    ['docker, which is no runtime any more', { docker: '20', nodejs: '18' }, ['nodejs 18', 'n 18']],
  ])('%s', (_, wanted, expected) => {
    expect(choose(wanted, { NODE: '20' })).toEqual(expected);
  });

  it.each<[string, Record<string, string>, string]>([
    [
      'a version that the image lacks',
      { nodejs: '16' },
      "Unknown runtime version named '16' of nodejs. This build image has the following versions: 18, 20",
    ],
    [
      'a runtime that it lacks',
      { cobol: '1' },
      "Unknown runtime named 'cobol'. This build image has the following runtimes: android, java, python, nodejs",
    ],
    [
      'one that needs another version',
      { android: '28', java: 'corretto11' },
      'The runtime android 28 needs java corretto8; corretto11 is selected',
    ],
    [
      'one that needs another runtime',
      { android: '28' },
      'The runtime android 28 needs java corretto8; none is selected',
    ],
    [
      'an unknown variable',
      { nodejs: '$NONE' },
      'The version of the runtime nodejs must be a version; it is empty ($NONE)',
    ],
    [
      'what is no version',
      { python: '3; reboot' },
      'The version of the runtime python must be a version; it is 3; reboot (3; reboot)',
    ],
  ])('not %s', (_, wanted, message) => {
    expect(() => choose(wanted)).toThrow(expect.objectContaining({ code: 'YAML_FILE_ERROR', message }));
  });

  it('of a file of another form are none, and a file that is no YAML is refused', () => {
    expect(readRuntimes('runtimes: [a]').size).toBe(0);
    expect(readRuntimes('just words').size).toBe(0);
    expect(() => readRuntimes('a: [')).toThrow();
  });
});
