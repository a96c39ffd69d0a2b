// How many containers should wait: a rule over recent use, without engine and without timers.

/**
 * Recent use of one kind of container.
 * `took` and `ended` are told as builds begin and end, with times that never go back (ms of any clock).
 */
export class Demand {
  /** Builds that use this kind now. */
  private running = 0;
  private usedAt = -Infinity;
  /** Times with the number that ran then; ever smaller numbers, so that the first is the highest of the window. */
  private readonly peaks: { at: number; running: number }[] = [];

  took(now: number): void {
    this.running += 1;
    this.usedAt = now;
    while ((this.peaks.at(-1)?.running ?? Infinity) <= this.running) this.peaks.pop();
    this.peaks.push({ at: now, running: this.running });
  }

  ended(): void {
    this.running = Math.max(0, this.running - 1);
  }

  get lastAt(): number {
    return this.usedAt;
  }

  /** The most that ran at once among the builds that began within the last `windowMs`; 0 when none did. */
  wanted(now: number, windowMs: number): number {
    while (this.peaks.length > 0 && now - this.peaks[0]!.at > windowMs) this.peaks.shift();
    return this.peaks[0]?.running ?? 0;
  }
}

/**
 * Shares `max` places out among kinds: each gets one in the order of its last use, then each its second, and so on.
 * Out: places for each kind of `wants`, in their order; never more than wanted.
 */
export function shareOut(wants: readonly { wanted: number; lastAt: number }[], max: number): number[] {
  const places = wants.map(() => 0);
  const order = wants.map((_, index) => index).sort((a, b) => wants[b]!.lastAt - wants[a]!.lastAt);
  let left = max;
  for (let round = 1; left > 0; round += 1) {
    const served = order.filter((index) => wants[index]!.wanted >= round).slice(0, left);
    if (served.length === 0) break;
    for (const index of served) places[index] = round;
    left -= served.length;
  }
  return places;
}
