// The plan in short, as people read it: a line for each thing that the buildspec would do.
import type { PhaseSummary, PlanSummary } from '#buildspec/plan-summary.js';

/** Out: indented lines, each with its newline; none for a buildspec that does nothing. */
export function showPlan(plan: PlanSummary): string {
  const { artifacts, secondaryArtifacts, cache, reports, batch } = plan;
  const rows: [string, string][] = plan.phases.map((phase) => [phase.phaseType, showPhase(phase)]);
  if (artifacts !== null) rows.push(['artifacts', artifacts.files.join(', ')]);
  for (const { identifier, files } of secondaryArtifacts) rows.push([`artifacts ${identifier}`, files.join(', ')]);
  if (cache !== null)
    rows.push(['cache', [...(cache.key === null ? [] : [`key ${cache.key}`]), ...cache.paths].join(', ')]);
  for (const { group, fileFormat, files } of reports)
    rows.push([`report ${group}`, `${fileFormat}: ${files.join(', ')}`]);
  if (batch !== null) rows.push(['batch', showBatch(batch)]);
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, what]) => `  ${name.padEnd(width)}  ${plain(what)}\n`).join('');
}

function showPhase({ commands, finally: last, runAs, onFailure }: PhaseSummary): string {
  const parts = [`${commands} ${commands === 1 ? 'command' : 'commands'}`];
  if (last > 0) parts.push(`${last} finally`);
  if (runAs !== null) parts.push(`as ${runAs}`);
  if (onFailure !== 'DEFAULT') parts.push(`on failure ${onFailure}`);
  return parts.join(', ');
}

function showBatch({ kind, tasks }: NonNullable<PlanSummary['batch']>): string {
  const waits = tasks.filter(({ dependOn }) => dependOn.length > 0).length;
  return `${kind}, ${tasks.length} ${tasks.length === 1 ? 'task' : 'tasks'}${waits > 0 ? `, ${waits} wait for others` : ''}`;
}

/** Names and patterns come from the file: nothing in them may steer the terminal. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}]/gu, '\uFFFD');
}
