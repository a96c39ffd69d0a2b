// Numbered lines with a checksum: each follows from the one before, so that a line that is missing, doubled or changed shows.
// The same lines are made here and, by awk, in a build's container. Pure.

const MULTIPLIER = 16_807;
const MODULUS = 2_147_483_647;

export interface LineRun {
  /** First word of each line. */
  tag: string;
  /** From 1 to 2^31-2: what the checksums begin with. */
  seed: number;
  count: number;
  /** Waits `pauseMs` after every so many lines; 0: never. */
  pauseEvery: number;
  pauseMs: number;
  /** Filling at the end of each line. */
  fill: number;
}

/** `count` lines `<tag> <number, 6 digits> <checksum, 10 digits> [xxx]`. */
export function linesOf({ tag, seed, count, fill }: LineRun): string[] {
  const end = fill === 0 ? '' : ` ${'x'.repeat(fill)}`;
  let sum = seed;
  return Array.from({ length: count }, (_, number) => {
    sum = (sum * MULTIPLIER) % MODULUS; // below 2^46: exact in doubles, here and in awk
    return `${tag} ${String(number).padStart(6, '0')} ${String(sum).padStart(10, '0')}${end}`;
  });
}

/** The shell command that prints them. awk's system() flushes what was printed before it. */
export function printLines({ tag, seed, count, pauseEvery, pauseMs, fill }: LineRun): string {
  const end = fill === 0 ? '' : ` ${'x'.repeat(fill)}`;
  const pause = pauseEvery === 0 ? '' : `if ((n + 1) % ${pauseEvery} == 0) system("sleep ${pauseMs / 1000}") `;
  return (
    `awk 'BEGIN { s = ${seed}; for (n = 0; n < ${count}; n++) { s = (s * ${MULTIPLIER}) % ${MODULUS}; ` +
    `printf "${tag} %06d %010d${end}\\n", n, s; ${pause}} }'`
  );
}
