// What a buildspec says, as plain JSON data: the YAML's shape with defaults filled in and nothing resolved yet.
// Source of every key: codebuild-contract C2-C9. The plan that a worker runs is made from it in compile.ts.
import type { CommandPhase } from '#core/phase.js';
import type { ReportFormat } from '#core/report.js';
import type { BatchSpec } from './batch-spec.js';

export const PHASE_NAMES = ['install', 'pre_build', 'build', 'post_build'] as const;
/** A phase as the YAML spells it, in the order in which they run. */
export type PhaseName = (typeof PHASE_NAMES)[number];

export const COMMAND_PHASE_OF: Readonly<Record<PhaseName, CommandPhase>> = {
  install: 'INSTALL',
  pre_build: 'PRE_BUILD',
  build: 'BUILD',
  post_build: 'POST_BUILD',
};

/** Languages that `runtime-versions` may name. */
export const RUNTIMES = ['java', 'python', 'nodejs', 'ruby', 'golang', 'php', 'dotnet', 'android', 'docker'] as const;

/** What follows when a phase fails. DEFAULT: CodeBuild's table of transitions. RETRY starts the whole build again, at most `count` times. */
export type OnFailure =
  | { action: 'DEFAULT' }
  | { action: 'ABORT' }
  | { action: 'CONTINUE' }
  /** `pattern`: regular expression that the failure's message must match; null: any message. It is user input, unchecked. */
  | { action: 'RETRY'; count: number; pattern: string | null };

export interface BuildspecPhase {
  commands: string[];
  finally: string[];
  runAs: string | null;
  onFailure: OnFailure;
}

export interface NamedValue {
  name: string;
  /** The scalar's source text: unquoted 3.10 is `3.10`, yes is `yes`. */
  value: string;
}

export interface BuildspecEnv {
  /** As written; null: the default. */
  shell: string | null;
  variables: NamedValue[];
  /** value: name of the parameter. */
  parameterStore: NamedValue[];
  /** value: `<secret-id>[:<json-key>[:<version-stage>[:<version-id>]]]`. */
  secretsManager: NamedValue[];
  exportedVariables: string[];
  gitCredentialHelper: boolean;
}

/** Files of one artifact; patterns, paths and names may hold shell variables, filled in after POST_BUILD. */
export interface ArtifactFiles {
  files: string[];
  excludePaths: string[];
  baseDirectory: string | null;
  discardPaths: boolean;
  name: string | null;
  enableSymlinks: boolean;
  s3Prefix: string | null;
}

export interface BuildspecArtifacts extends ArtifactFiles {
  secondary: (ArtifactFiles & { identifier: string })[];
}

export type CacheAction = 'both' | 'restore' | 'save';

export interface BuildspecCache {
  paths: string[];
  key: string | null;
  /** Prefixes, tried in order; only used with a key. */
  fallbackKeys: string[];
  action: CacheAction;
}

export interface BuildspecReport {
  /** Name of a report group, its ARN, or a shell variable. */
  group: string;
  files: string[];
  fileFormat: ReportFormat;
  baseDirectory: string | null;
  discardPaths: boolean;
}

export interface Buildspec {
  version: '0.1' | '0.2';
  runAs: string | null;
  env: BuildspecEnv;
  proxy: { uploadArtifacts: boolean; logs: boolean };
  /** Only the phases that the YAML lists with a value. */
  phases: Partial<Record<PhaseName, BuildspecPhase>>;
  /** Of the install phase. */
  runtimeVersions: { name: string; version: string }[];
  artifacts: BuildspecArtifacts | null;
  cache: BuildspecCache | null;
  reports: BuildspecReport[];
  batch: BatchSpec | null;
}
