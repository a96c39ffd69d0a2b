// The outcome of scripts/try-repositories.mjs as a Markdown table.

const COLUMNS = [
  ['repository', (row) => row.name],
  ['status', (row) => row.builds.map((build) => build.status).join(', ')],
  [
    'before the commands',
    (row) => row.builds.map((build) => seconds(build.phases, ['SUBMITTED', 'QUEUED', 'PROVISIONING'])).join(' / '),
  ],
  ['source', (row) => row.builds.map((build) => seconds(build.phases, ['DOWNLOAD_SOURCE'])).join(' / ')],
  ['install', (row) => row.builds.map((build) => seconds(build.phases, ['INSTALL'])).join(' / ')],
  [
    'build',
    (row) => row.builds.map((build) => seconds(build.phases, ['PRE_BUILD', 'BUILD', 'POST_BUILD'])).join(' / '),
  ],
  [
    'after them',
    (row) => row.builds.map((build) => seconds(build.phases, ['UPLOAD_ARTIFACTS', 'FINALIZING'])).join(' / '),
  ],
  ['in all', (row) => row.builds.map((build) => inSeconds(build.totalMs)).join(' / ')],
  ['log lines', (row) => row.builds.map((build) => build.lines).join(' / ')],
  ['artifact bytes', (row) => row.builds.map((build) => build.artifactBytes).join(' / ')],
  ['plain run', (row) => (row.plain ? inSeconds(row.plain.cloneMs + row.plain.runMs) : '')],
  ['ratio', (row) => (row.plain ? row.builds.map((build) => ratio(build.totalMs, row.plain)).join(' / ') : '')],
];

/** Seconds of the first and the second build, divided by a slash. */
export function tableOf(rows) {
  const cells = [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, of]) => String(of(row))))];
  const widths = COLUMNS.map((_, at) => Math.max(...cells.map((line) => line[at].length)));
  const lines = cells.map((line) => `| ${line.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`);
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return lines.join('\n');
}

function seconds(phases, names) {
  return inSeconds(
    phases.filter((phase) => names.includes(phase.phaseType)).reduce((sum, phase) => sum + (phase.durationMs ?? 0), 0),
  );
}

function ratio(totalMs, plain) {
  return (totalMs / (plain.cloneMs + plain.runMs)).toFixed(2);
}

function inSeconds(ms) {
  return (ms / 1000).toFixed(1);
}
