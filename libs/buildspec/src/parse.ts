// Buildspec text to a checked Buildspec: YAML tree, then each section, then what needs more than one key.
import type { Finding } from '#core/errors.js';
import type { Buildspec } from './buildspec.js';
import { checkBuildspec } from './check.js';
import { excerpt, Findings, type Place } from './findings.js';
import { readBatch } from './read-batch.js';
import { readEnv } from './read-env.js';
import { readArtifacts, readCache } from './read-files.js';
import { readPhases, readRunAs } from './read-phases.js';
import { readReports } from './read-reports.js';
import { Section } from './section.js';
import { readYaml, says } from './yaml-tree.js';

const TOP_KEYS = ['version', 'run-as', 'env', 'proxy', 'batch', 'phases', 'reports', 'artifacts', 'cache'];

export interface ParsedBuildspec {
  /** Plain JSON data. */
  buildspec: Buildspec;
  /** What is odd but allowed, unknown keys among it, in the order of the text. */
  warnings: Finding[];
  /** Where a field (dotted path) stands in the text, for findings of later stations. */
  placeOf: (field: string) => Place | undefined;
}

/**
 * Reads a buildspec of version 0.1 or 0.2.
 * In: its text, of any size.
 * Errors: Refusal BUILDSPEC_INVALID with every finding, each with field, expectation, what came, and 1-based line and column. Nothing else.
 * Syntax errors are told alone: what a broken text means is not guessed at.
 * `reading`: what is wrong with `batch` is an error for a batch, and a warning for a build, which does not use it.
 */
export function parseBuildspec(text: string, reading: 'build' | 'batch' = 'build'): ParsedBuildspec {
  const findings = new Findings();
  const buildspec = readBuildspec(text, findings, reading);
  return { buildspec, warnings: findings.warnings, placeOf: (field) => findings.placeOf(field) };
}

/** As parseBuildspec; the warnings are in `findings` also where it refuses. */
export function readBuildspec(text: string, findings: Findings, reading: 'build' | 'batch' = 'build'): Buildspec {
  const root = readYaml(text, findings);
  if (root.kind !== 'map') {
    findings.error('', 'a map with version and phases', says(root), { place: root.place });
    throw findings.refusal();
  }
  const top = new Section('', root, findings);
  const version = readVersion(top);
  top.warnUnknown(version === '0.1' ? [...TOP_KEYS, 'environment_variables'] : TOP_KEYS);
  const ofBatch = new Findings();
  const buildspec: Buildspec = {
    version,
    runAs: readRunAs(top),
    env: readEnv(top, version),
    proxy: readProxy(top),
    ...readPhases(top),
    artifacts: readArtifacts(top, version),
    cache: readCache(top),
    reports: readReports(top),
    batch: readBatch(top.toldTo(ofBatch), ofBatch),
  };
  findings.take(ofBatch, reading === 'batch');
  checkBuildspec(buildspec, findings);
  findings.refuse();
  return buildspec;
}

/** Quoted or not (codebuild-contract C2). */
function readVersion(top: Section): Buildspec['version'] {
  const text = top.node('version') === null ? null : top.text('version');
  if (text !== null) {
    const version = /^0\.([12])0*$/.exec(text.trim())?.[1];
    if (version !== undefined) return version === '1' ? '0.1' : '0.2';
    top.refuse('version', '0.2 or 0.1', excerpt(text) || 'an empty text');
  } else if (top.node('version') === null) {
    top.refuse('version', '0.2 or 0.1', 'no version');
  }
  return '0.2';
}

function readProxy(top: Section): Buildspec['proxy'] {
  const proxy = top.section('proxy');
  proxy?.warnUnknown(['upload-artifacts', 'logs']);
  return { uploadArtifacts: proxy?.flag('upload-artifacts') ?? false, logs: proxy?.flag('logs') ?? false };
}
