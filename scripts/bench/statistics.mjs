// The numbers of a benchmark: medians, 99th percentiles, ratios, and whether a target is met. Pure.

/**
 * A percentile by nearest rank: the smallest sample that at least `share` of all samples do not exceed.
 * In: numbers in any order; 0 < share <= 1. Out: one of them, so that it was really measured.
 * Errors: RangeError for no samples or another share.
 */
export function percentile(samples, share) {
  if (samples.length === 0) throw new RangeError('expected at least one sample, got none');
  if (!(share > 0 && share <= 1)) throw new RangeError(`expected a share above 0 and up to 1, got ${share}`);
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length - 1e-9) - 1];
}

/** The middle sample, or the mean of the two in the middle. Errors: RangeError for no samples. */
export function median(samples) {
  if (samples.length === 0) throw new RangeError('expected at least one sample, got none');
  const sorted = samples.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** What a row shows of its samples. Errors: RangeError for no samples, or for one that is no finite number. */
export function summary(samples) {
  const odd = samples.findIndex((sample) => !Number.isFinite(sample));
  if (odd !== -1) throw new RangeError(`expected finite samples, got ${samples[odd]}`);
  return {
    count: samples.length,
    median: median(samples),
    p99: percentile(samples, 0.99),
    // not by spreading them: there may be more of them than a call takes arguments
    min: samples.reduce((least, sample) => Math.min(least, sample)),
    max: samples.reduce((most, sample) => Math.max(most, sample)),
  };
}

/**
 * How a value stands to its target. In: `atMost` or `atLeast`, one of them. Out: true, false, or null when there is no target.
 */
export function meets(value, target) {
  if (target === undefined || target === null) return null;
  if (target.atMost !== undefined) return value <= target.atMost;
  if (target.atLeast !== undefined) return value >= target.atLeast;
  throw new RangeError('expected a target with atMost or atLeast');
}

/**
 * Runs the ways of a comparison in turns, so that what else the machine does falls on all of them alike: round 0 in their order, round 1
 * in the opposite one, and so on.
 * In: `ways` = functions by name, each resolving to one sample or to an object of samples by name; `between` is awaited before each.
 * Out: samples by name, in the order of the rounds. Warm-up rounds are run and not counted.
 */
export async function inTurns({
  ways,
  rounds,
  warmUps = 1,
  between = async () => undefined,
  onRound = () => undefined,
}) {
  const names = Object.keys(ways);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -warmUps; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await between();
      const sample = await ways[name](round);
      if (round >= 0) samples[name].push(sample);
    }
    onRound(round);
  }
  return samples;
}
