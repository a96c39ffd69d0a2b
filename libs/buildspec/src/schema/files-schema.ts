// `artifacts`, `cache` and `reports` in the buildspec's schema.
import { REPORT_FORMATS } from '#core/report.js';
import { MAX_FALLBACK_KEYS, MAX_GLOB_LENGTH, MAX_GLOBS, MAX_REPORT_GROUPS } from '../limits.js';
import { flag, NOT_EMPTY, section, text, texts, word, type JsonSchema } from './values.js';

const PATTERNS = '`*` stays within a folder, `**` does not; a folder alone matches nothing: write `dir/**/*`.';
const IDENTIFIER = '^[A-Za-z0-9_]{1,128}$';

function patterns(description: string): JsonSchema {
  const one = { maxLength: MAX_GLOB_LENGTH, not: { type: 'string', pattern: '/$' } };
  return { ...texts(`${description} ${PATTERNS}`, one), maxItems: MAX_GLOBS };
}

const ARTIFACT: Record<string, JsonSchema> = {
  files: patterns('Files to keep.'),
  'exclude-paths': patterns('Files to leave out.'),
  'base-directory': text('Folder that the patterns start from; may hold `*` and variables.'),
  'discard-paths': flag('Keep names without folders.'),
  name: text('Name of the artifact, with variables and `$(…)`, where the project lets it.'),
  'enable-symlinks': flag('Keep symbolic links in a ZIP.'),
  's3-prefix': text('Stands in place of the path in the place that the build tells.'),
};

const HAS_FILES: JsonSchema = { required: ['files'], properties: { files: NOT_EMPTY } };

export function artifactsSchema(): JsonSchema {
  const secondary: JsonSchema = {
    description: 'More artifacts, by identifier.',
    type: ['object', 'null'],
    propertyNames: { pattern: IDENTIFIER },
    additionalProperties: section('One more artifact.', ARTIFACT, { allOf: [HAS_FILES] }),
  };
  const properties = { ...ARTIFACT, 'secondary-artifacts': secondary, type: text('Of version 0.1: zip.') };
  const hasSecondary = {
    required: ['secondary-artifacts'],
    properties: { 'secondary-artifacts': { type: 'object', minProperties: 1 } },
  };
  return section('Files that the build leaves.', properties, { anyOf: [HAS_FILES, hasSecondary] });
}

export function cacheSchema(): JsonSchema {
  return section(
    'Files that the next build finds again.',
    {
      paths: texts('Files and folders to cache; absolute and `~` paths are fine.'),
      key: text('Name of the entry, with variables and `$(…)`.'),
      'fallback-keys': { ...texts('Beginnings of other keys, tried in order.'), maxItems: MAX_FALLBACK_KEYS },
      action: word('Only one of both; absent: both.', ['restore', 'save']),
    },
    { required: ['paths'] },
  );
}

export function reportsSchema(): JsonSchema {
  const report = section(
    'One group of reports.',
    {
      files: texts(`Files with reports. ${PATTERNS}`),
      'file-format': word('Their format; default: JUNITXML.', REPORT_FORMATS),
      'base-directory': text('Folder that the patterns start from.'),
      'discard-paths': flag('Keep names without folders.'),
    },
    { allOf: [HAS_FILES] },
  );
  return {
    description: 'Test and coverage reports, by the name or ARN of their group.',
    type: ['object', 'null'],
    maxProperties: MAX_REPORT_GROUPS,
    additionalProperties: report,
  };
}
