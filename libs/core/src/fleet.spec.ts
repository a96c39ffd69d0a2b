import { describe, expect, it } from '@jest/globals';
import { FLEET_NAME, fits, fleetName, fleetOf, LABEL, readCarried, requiresOf, type Asked } from './fleet.js';

describe('requiresOf', () => {
  it.each<[Asked, string, string]>([
    [{}, '', 'nothing: any worker of the common pool'],
    [{ labels: ['b', 'a', 'b'] }, 'a,b', 'sorted, each once'],
    [{ fleet: { fleetArn: 'gpu' } }, 'fleet=gpu', 'a fleet by its name'],
    [
      { fleet: { fleetArn: 'arn:aws:codebuild:eu-west-1:1:fleet/gpu:0b6c' }, labels: ['x=1'] },
      'fleet=gpu,x=1',
      'by ARN',
    ],
  ])('%j is %j: %s', (asked, requires, _) => {
    expect(requiresOf(asked)).toBe(requires);
    expect(fleetOf(requires)).toBe('fleet' in asked ? 'gpu' : '');
  });
});

describe('fits', () => {
  it.each([
    ['', '', [], true, 'the common pool'],
    ['', '', ['gpu'], true, 'a label more than asked for'],
    ['gpu', '', [], false, 'a label less'],
    ['arch=arm64,gpu', '', ['gpu', 'arch=arm64'], true, 'all labels, in any order'],
    ['arch=arm64', '', ['arch=amd64'], false, 'another value'],
    ['', 'macs', [], false, 'a fleet is set aside for those who ask for it'],
    ['fleet=macs', 'macs', [], true, 'its fleet'],
    ['fleet=macs', 'others', [], false, 'another fleet'],
    ['fleet=macs', '', [], false, 'a fleet’s build is not for the common pool'],
    ['fleet=macs,gpu', 'macs', ['gpu'], true, 'fleet and label'],
    ['fleet=macs,gpu', 'macs', [], false, 'in the fleet, without the label'],
  ])('%j on fleet %j with %j: %s (%s)', (requires, fleet, labels, expected) => {
    expect(fits(requires, { fleet, labels })).toBe(expected);
  });
});

describe('readCarried', () => {
  it('sorts labels and takes each once', () => {
    expect(readCarried('', ['b', 'a', 'b'])).toEqual({ fleet: '', labels: ['a', 'b'] });
  });
  it('names all that is wrong at once', () => {
    expect(() => readCarried('a fleet', ['fleet=x', 'ok', 'no good'])).toThrow(
      /WORKER_FLEET(.|\n)*"fleet=x"(.|\n)*"no good"/,
    );
  });
});

describe('names', () => {
  it.each(['gpu', 'arch=arm64', 'zone.a_b-c=1.2'])('%s is a label', (label) => expect(label).toMatch(LABEL));
  it.each(['', 'fleet=x', 'a b', 'a,b', '=x', 'a=', 'a=b=c', '-a', 'x'.repeat(64)])('%j is none', (label) =>
    expect(label).not.toMatch(LABEL),
  );
  it('reads a fleet’s name from its ARN', () => {
    expect(fleetName('arn:aws:codebuild:us-east-1:123:fleet/big-ones:0b6c1f8e')).toBe('big-ones');
    expect(fleetName('big-ones')).toMatch(FLEET_NAME);
  });
});
