// A row of measurements as figures, and rows as a table in Markdown. Pure.
import { meets, summary } from './statistics.mjs';

/**
 * The figures of one row.
 * In: `samples`, `unit`; `baseline` { what, samples } or none; `target`; `absolute` when the target is on the median itself, else it is on
 * the ratio of the medians (of the p99s where `by` says so): ours to the baseline, or the other way round with `faster` (times: how
 * many times as fast we are). `p99Target` is one more target on the p99 itself.
 */
export function figuresOf(row) {
  const ours = summary(row.samples);
  const baseline = row.baseline === undefined ? null : { what: row.baseline.what, ...summary(row.baseline.samples) };
  const by = row.by ?? 'median';
  const ratio = baseline === null ? null : row.faster ? baseline[by] / ours[by] : ours[by] / baseline[by];
  const judged = row.absolute ? ours.median : ratio;
  const met = judged === null ? null : meets(judged, row.target);
  return {
    name: row.name,
    what: row.what,
    unit: row.unit,
    ours,
    baseline,
    ratio,
    target: row.target ?? null,
    met,
    ...extra(row),
  };
}

function extra({ note, load, absolute, p99Target, samples }) {
  const p99Met = p99Target === undefined ? {} : { p99Target, p99Met: meets(summary(samples).p99, p99Target) };
  return {
    absolute: absolute === true,
    ...(note === undefined ? {} : { note }),
    ...(load === undefined ? {} : { load }),
    ...p99Met,
  };
}

const COLUMNS = [
  'what',
  'ours: median',
  'p99',
  'n',
  'baseline',
  'median',
  'p99',
  'ratio',
  'must reach',
  'reached',
  'load',
];

/** A table in Markdown of what figuresOf gives. */
export function markdownTable(rows) {
  const lines = rows.map((row) => [
    row.what,
    amount(row.ours.median, row.unit),
    amount(row.ours.p99, row.unit),
    String(row.ours.count),
    row.baseline?.what ?? '–',
    row.baseline === null ? '–' : amount(row.baseline.median, row.unit),
    row.baseline === null ? '–' : amount(row.baseline.p99, row.unit),
    row.ratio === null ? '–' : row.ratio.toPrecision(3),
    targetText(row),
    reachedText(row),
    row.load === undefined ? '–' : row.load,
  ]);
  return [COLUMNS, COLUMNS.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.map(escaped).join(' | ')} |`)
    .join('\n');
}

function targetText({ target, unit, absolute, p99Target }) {
  const one = (it, name) =>
    it.atMost === undefined
      ? `${name}≥ ${it.atLeast}${absolute ? ` ${unit}` : ' ×'}`
      : `${name}≤ ${it.atMost}${absolute ? ` ${unit}` : ' ×'}`;
  if (target === null) return '–';
  return p99Target === undefined ? one(target, '') : `${one(target, 'p50 ')}, ${one(p99Target, 'p99 ')}`;
}

function reachedText({ met, p99Met }) {
  if (met === null) return '–';
  return met && p99Met !== false ? 'yes' : 'NO';
}

/** Four digits that mean something, with the unit. */
function amount(value, unit) {
  const digits = Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3);
  return `${Number(digits)} ${unit}`;
}

function escaped(text) {
  return text.replaceAll('|', '\\|');
}
