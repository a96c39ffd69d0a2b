import ms from 'ms';

/**
 * Says how far a moment is from now.
 * In: a name, and two moments in ms since the epoch. Out: one sentence.
 */
export function greeting(name, momentMs, nowMs) {
  const distance = ms(Math.abs(momentMs - nowMs), { long: true });
  if (momentMs === nowMs) return `Hello ${name}, it is now.`;
  return momentMs > nowMs ? `Hello ${name}, ${distance} to go.` : `Hello ${name}, that was ${distance} ago.`;
}
