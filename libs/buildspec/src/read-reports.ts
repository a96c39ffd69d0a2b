// Reads the section `reports` (codebuild-contract C6): which files hold what of the build's tests, and which group takes it.
import { REPORT_FORMATS, type ReportFormat } from '#core/report.js';
import type { BuildspecReport } from './buildspec.js';
import { excerpt } from './findings.js';
import { MAX_REPORT_GROUPS } from './limits.js';
import type { Section } from './section.js';

/** Out: the report groups in their order. */
export function readReports(top: Section): BuildspecReport[] {
  const section = top.section('reports');
  const groups = section?.keys ?? [];
  if (groups.length > MAX_REPORT_GROUPS) {
    top.refuse('reports', `at most ${MAX_REPORT_GROUPS} report groups (MAX_REPORT_GROUPS)`, `${groups.length}`);
  }
  return groups.flatMap((group) => {
    const report = section?.section(group);
    return report ? [readReport(group, report)] : [];
  });
}

function readReport(group: string, report: Section): BuildspecReport {
  report.warnUnknown(['files', 'file-format', 'base-directory', 'discard-paths']);
  const files = report.list('files');
  if (files.length === 0) report.refuse('files', 'at least one file pattern', 'none');
  return {
    group,
    files,
    fileFormat: readFormat(report),
    baseDirectory: report.text('base-directory'),
    discardPaths: report.flag('discard-paths'),
  };
}

function readFormat(report: Section): ReportFormat {
  const text = report.text('file-format');
  if (text === null) return 'JUNITXML';
  const format = REPORT_FORMATS.find((known) => known === text.toUpperCase());
  if (format === undefined) report.refuse('file-format', `one of ${REPORT_FORMATS.join(', ')}`, excerpt(text));
  return format ?? 'JUNITXML';
}
