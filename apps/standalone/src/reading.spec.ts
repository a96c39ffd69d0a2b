// What the supervisor reads off the machine: small texts of other programs, table by table.
import { describe, expect, it } from '@jest/globals';
import { parsePorts } from './data-folder.js';
import { parseAptSources } from './debian.js';
import { parseListening } from './free-port.js';
import { splitName } from './image.js';
import { parseOsRelease } from './machine.js';
import { parseConnection } from './master-key.js';
import { parseStat, parseTable } from './process-table.js';
import { newStepTeller, sourcesList } from './standard-image.js';

describe('os-release', () => {
  it('gives values with and without quotes, and passes over the rest', () => {
    const text = 'ID=debian\nVERSION_CODENAME="bookworm"\n# note\nNAME=\'A b\'\nbroken';
    expect(parseOsRelease(text)).toEqual({ ID: 'debian', VERSION_CODENAME: 'bookworm', NAME: 'A b' });
  });
});

describe('apt sources', () => {
  const line = (...fields: string[]) => fields.join('\t');
  it.each([
    ['the release itself', line('Debian', 'http://m/debian', 'bookworm', 'main', 'Packages'), 1],
    ['its security updates', line('Debian', 'http://m/s', 'bookworm-security', 'main', 'Packages'), 1],
    ['a third party', line('Docker', 'http://m/d', 'bookworm', 'stable', 'Packages'), 0],
    ['another release', line('Debian', 'http://m/debian', 'sid', 'main', 'Packages'), 0],
    ['translations', line('Debian', 'http://m/debian', 'bookworm', 'main', 'Translations'), 0],
    ['a scheme that debootstrap cannot use', line('Debian', 'cdrom:[x]', 'bookworm', 'main', 'Packages'), 0],
    ['nothing', '', 0],
  ])('%s', (_reason, text, count) => {
    expect(parseAptSources(`${text}\n${text}`, { codename: 'bookworm' })).toHaveLength(count);
  });

  it('become the lines of sources.list', () => {
    expect(sourcesList([{ site: 'http://m/debian', release: 'bookworm', component: 'main' }])).toBe(
      'deb http://m/debian bookworm main\n',
    );
  });
});

describe('/proc/net/tcp', () => {
  const row = (port: string, state: string) =>
    `   0: 0100007F:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 4242 1`;
  it('finds the listening socket of a port', () => expect(parseListening(row('0BB8', '0A'), 3000)).toBe('4242'));
  it('passes over a connection on it', () => expect(parseListening(row('0BB8', '01'), 3000)).toBeUndefined());
  it('passes over other ports', () => expect(parseListening(row('0BB9', '0A'), 3000)).toBeUndefined());
});

describe('/proc/PID/stat', () => {
  const fields = (state: string) => `7 (a ) b) ${state} ${Array.from({ length: 18 }, (_, i) => i).join(' ')} 99123 0`;
  it('gives the start time behind a name with brackets', () => expect(parseStat(fields('S'))).toBe('99123'));
  it('counts a zombie as gone', () => expect(parseStat(fields('Z'))).toBeUndefined());
});

describe('files that may be broken', () => {
  it.each([
    ['not JSON', '{', {}],
    ['not an object', '7', {}],
    ['a port out of range', '{"a":70000,"b":80}', { b: 80 }],
  ])('ports: %s', (_reason, text, ports) => expect(parsePorts(text)).toEqual(ports));

  it('processes: only whole entries', () => {
    const whole = { name: 'api', pid: 7, startTime: '9' };
    expect(parseTable(JSON.stringify([whole, { pid: 8 }, null]))).toEqual([whole]);
    expect(parseTable('nonsense')).toEqual([]);
  });

  it('connection: both parts or none', () => {
    expect(parseConnection('{"url":"u","token":"t"}')).toEqual({ url: 'u', token: 't' });
    expect(parseConnection('{"url":"u"}')).toBeUndefined();
    expect(parseConnection('')).toBeUndefined();
  });
});

describe('image names', () => {
  it.each([
    ['a tag', 'kilnyard/standard:1.0', 'kilnyard/standard', '1.0'],
    ['no tag', 'node', 'node', 'latest'],
    ['a registry with a port', 'host.example:5000/a', 'host.example:5000/a', 'latest'],
  ])('%s', (_reason, name, repo, tag) => expect(splitName(name)).toEqual({ repo, tag }));
});

it("debootstrap's lines are told as stages, each once and in order", () => {
  const said: string[] = [];
  const hear = newStepTeller((line) => said.push(line));
  const lines = [
    'I: Retrieving InRelease',
    'I: Retrieving adduser 3',
    'I: Retrieving apt 2',
    'I: Extracting base',
    'odd',
  ];
  lines.forEach(hear);
  expect(said).toEqual([
    'base image: reading the package lists',
    'base image: fetching packages',
    'base image: unpacking the system',
  ]);
});
