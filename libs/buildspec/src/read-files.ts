// Reads the sections that name files: `artifacts` and `cache` (codebuild-contract C5, C7). `reports` is read-reports.ts.
import type { ArtifactFiles, Buildspec, BuildspecArtifacts, BuildspecCache, CacheAction } from './buildspec.js';
import { excerpt } from './findings.js';
import { MAX_FALLBACK_KEYS, MAX_GLOB_LENGTH, MAX_GLOBS } from './limits.js';
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
