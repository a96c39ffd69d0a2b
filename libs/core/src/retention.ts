// How long builds, logs and artifacts are kept. Pure: policies and the moments that follow from them.

/** How long a project keeps what its builds leave; each absent one is the instance's. 0 = for ever, or any number. */
export interface ProjectRetention {
  buildsDays?: number;
  buildsCount?: number;
  logsDays?: number;
  artifactsDays?: number;
  artifactsCount?: number;
}

/** The same with nothing left open. */
export type RetentionPolicy = Readonly<Required<ProjectRetention>>;

const DAY_MS = 86_400_000;

/** A project's own values laid over the instance's. */
export function policyOf(own: ProjectRetention, instance: RetentionPolicy): RetentionPolicy {
  return { ...instance, ...own };
}

/**
 * Ages count in whole UTC days since the day of the request, so that all that came in on one day goes at one moment: what is older
 * than the moment returned goes. Out: null where age is no reason.
 */
export function olderThan(days: number, now: Date): Date | null {
  return days === 0 ? null : new Date(startOfDay(now).getTime() - days * DAY_MS);
}

/** Days that a log is kept: never longer than its build. 0 = for ever. */
export function logDays({ logsDays, buildsDays }: RetentionPolicy): number {
  const limits = [logsDays, buildsDays].filter((days) => days > 0);
  return limits.length === 0 ? 0 : Math.min(...limits);
}

/** Whether the logs of builds that were asked for on this UTC day are still kept. */
export function keepsLogOf(day: Date, policy: RetentionPolicy, now: Date): boolean {
  const before = olderThan(logDays(policy), now);
  return before === null || day.getTime() >= before.getTime();
}

/** When the logs of this UTC day go, as far as the policy tells; null: never. */
export function logGoesAt(day: Date, policy: RetentionPolicy): Date | null {
  const days = logDays(policy);
  return days === 0 ? null : new Date(day.getTime() + (days + 1) * DAY_MS);
}

/** Whether the sealed logs of builds that were asked for on this UTC day are old enough to be archived. 0 = never. */
export function archivesLogOf(day: Date, afterDays: number, now: Date): boolean {
  const before = olderThan(afterDays, now);
  return before !== null && day.getTime() < before.getTime();
}

export function startOfDay(now: Date): Date {
  return new Date(Math.floor(now.getTime() / DAY_MS) * DAY_MS);
}
