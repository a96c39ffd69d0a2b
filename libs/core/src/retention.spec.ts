import { describe, expect, it } from '@jest/globals';
import {
  archivesLogOf,
  keepsLogOf,
  logDays,
  logGoesAt,
  olderThan,
  policyOf,
  type RetentionPolicy,
} from './retention.js';

const INSTANCE: RetentionPolicy = {
  buildsDays: 365,
  buildsCount: 0,
  logsDays: 90,
  artifactsDays: 30,
  artifactsCount: 0,
};

describe('a retention policy', () => {
  it('is the instance’s where the project says nothing, and 0 is a value of its own', () => {
    expect(policyOf({ logsDays: 0, artifactsCount: 5 }, INSTANCE)).toEqual({
      ...INSTANCE,
      logsDays: 0,
      artifactsCount: 5,
    });
  });

  it.each([
    ['the shorter of both', 90, 365, 90],
    ['no longer than the build', 400, 30, 30],
    ['as long as the build when the log has no limit', 0, 30, 30],
    ['its own when the build has no limit', 90, 0, 90],
    ['for ever when neither has one', 0, 0, 0],
  ])('keeps a log %s', (_, logsDays, buildsDays, days) => {
    expect(logDays({ ...INSTANCE, logsDays, buildsDays })).toBe(days);
  });

  it.each([
    ['one day, just after midnight', 1, '2026-03-10T00:00:00.000Z', '2026-03-09T00:00:00.000Z'],
    ['one day, just before midnight', 1, '2026-03-10T23:59:59.999Z', '2026-03-09T00:00:00.000Z'],
    ['over the end of a month', 30, '2026-03-10T12:00:00.000Z', '2026-02-08T00:00:00.000Z'],
  ])('counts whole days: %s', (_, days, now, expected) => {
    expect(olderThan(days, new Date(now))?.toISOString()).toBe(expected);
  });

  it('has no moment without a limit', () => {
    expect(olderThan(0, new Date())).toBeNull();
    expect(logGoesAt(new Date('2026-03-01'), { ...INSTANCE, logsDays: 0, buildsDays: 0 })).toBeNull();
  });

  it('archives the logs of a day when its last build has had its days in full, and never by 0', () => {
    const day = new Date('2026-02-27T00:00:00.000Z');
    expect(archivesLogOf(day, 7, new Date('2026-03-06T23:59:59.999Z'))).toBe(false);
    expect(archivesLogOf(day, 7, new Date('2026-03-07T00:00:00.000Z'))).toBe(true);
    expect(archivesLogOf(day, 0, new Date('2036-03-07T00:00:00.000Z'))).toBe(false);
  });

  it.each([1, 2, 30])('keeps the log of a day until the very moment that it names (%i days)', (logsDays) => {
    const policy = { ...INSTANCE, logsDays };
    const day = new Date('2026-02-27T00:00:00.000Z');
    const goes = logGoesAt(day, policy)!;
    expect(keepsLogOf(day, policy, new Date(goes.getTime() - 1))).toBe(true);
    expect(keepsLogOf(day, policy, goes)).toBe(false);
    // the last build of that day has had its days in full
    expect(goes.getTime() - new Date('2026-02-27T23:59:59.999Z').getTime()).toBeGreaterThanOrEqual(
      logsDays * 86_400_000,
    );
  });
});
