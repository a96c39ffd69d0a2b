// Reads the sections that name files: `artifacts`, `cache` and `reports` (codebuild-contract C5, C6, C7).
import {
  REPORT_FORMATS,
  type ArtifactFiles,
  type Buildspec,
  type BuildspecArtifacts,
  type BuildspecCache,
  type BuildspecReport,
  type CacheAction,
  type ReportFormat,
} from './buildspec.js';
import { excerpt } from './findings.js';
import { MAX_FALLBACK_KEYS, MAX_GLOB_LENGTH, MAX_GLOBS, MAX_REPORT_GROUPS } from './limits.js';
import type { Section } from './section.js';

const ARTIFACT_KEYS = [
  'files',
  'name',
  'discard-paths',
  'base-directory',
  'exclude-paths',
  'enable-symlinks',
  's3-prefix',
];
/** codebuild-contract A3; also a part of paths. */
const ARTIFACT_IDENTIFIER = /^[A-Za-z0-9_]{1,128}$/;

/** Out: null without the section. Under version 0.1 `type: zip` is known, and says nothing that the project does not. */
export function readArtifacts(top: Section, version: Buildspec['version']): BuildspecArtifacts | null {
  const section = top.section('artifacts');
  if (section === null) return null;
  section.warnUnknown([...ARTIFACT_KEYS, 'secondary-artifacts', ...(version === '0.1' ? ['type'] : [])]);
  const named = section.section('secondary-artifacts');
  const secondary: BuildspecArtifacts['secondary'] = [];
  for (const identifier of named?.keys ?? []) {
    const artifact = named?.section(identifier);
    if (!ARTIFACT_IDENTIFIER.test(identifier)) {
      named?.refuse(identifier, 'an identifier of letters, digits and _', excerpt(identifier));
    }
    if (!artifact) continue;
    artifact.warnUnknown(ARTIFACT_KEYS);
    secondary.push({ identifier, ...readArtifactFiles(artifact) });
  }
  return { ...readArtifactFiles(section), secondary };
}

function readArtifactFiles(section: Section): ArtifactFiles {
  return {
    files: readPatterns(section, 'files'),
    excludePaths: readPatterns(section, 'exclude-paths'),
    baseDirectory: section.text('base-directory'),
    discardPaths: section.flag('discard-paths'),
    name: section.text('name'),
    enableSymlinks: section.flag('enable-symlinks'),
    s3Prefix: section.text('s3-prefix'),
  };
}

/** Patterns are judged as they stand; what their variables make of them is seen when they are used. */
function readPatterns(section: Section, key: string): string[] {
  const patterns = section.list(key);
  if (patterns.length > MAX_GLOBS)
    section.refuse(key, `at most ${MAX_GLOBS} patterns (MAX_GLOBS)`, `${patterns.length}`);
  for (const pattern of patterns) {
    if (pattern.length > MAX_GLOB_LENGTH) {
      section.refuse(key, `patterns of at most ${MAX_GLOB_LENGTH} characters (MAX_GLOB_LENGTH)`, excerpt(pattern));
    } else if (pattern.endsWith('/')) {
      section.warn(key, 'patterns of files (a folder alone matches nothing)', excerpt(pattern), `${pattern}**/*`);
    }
  }
  return patterns;
}

/** Out: null without the section; `paths` may be empty. */
export function readCache(top: Section): BuildspecCache | null {
  const section = top.section('cache');
  if (section === null) return null;
  section.warnUnknown(['paths', 'key', 'fallback-keys', 'action']);
  const fallbackKeys = section.list('fallback-keys');
  if (fallbackKeys.length > MAX_FALLBACK_KEYS) {
    section.refuse('fallback-keys', `at most ${MAX_FALLBACK_KEYS} (MAX_FALLBACK_KEYS)`, `${fallbackKeys.length}`);
  }
  return { paths: section.list('paths'), key: section.text('key'), fallbackKeys, action: readAction(section) };
}

function readAction(section: Section): CacheAction {
  const text = section.text('action');
  if (text === null) return 'both';
  const action = text.toLowerCase();
  if (action === 'restore' || action === 'save') return action;
  section.refuse('action', 'restore or save', excerpt(text));
  return 'both';
}

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
