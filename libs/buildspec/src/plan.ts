// What the engine runs: a buildspec with its choices made, as plain JSON data. It travels to the engine and knows nothing of images,
// containers or scripts.
import type { Finding } from '#core/errors.js';
import type { CommandPhase } from '#core/phase.js';
import type { ArtifactFiles, BuildspecCache, BuildspecReport, NamedValue, OnFailure } from './buildspec.js';

export type { OnFailure } from './buildspec.js';

export interface PlannedPhase {
  type: CommandPhase;
  /** Run before `commands`, as root: what the image takes to bring the runtime versions. Empty until an image is known; INSTALL alone has some. */
  runtimes: string[];
  /** Run in order; the first that fails ends the list. Each is one command, of one line or several. */
  commands: string[];
  /** Run after `commands`, whether those failed or not. */
  finally: string[];
  /** The phase's own user, else the buildspec's, else null: root. */
  runAs: string | null;
  onFailure: OnFailure;
  /** The YAML names the phase with a value. */
  listed: boolean;
}

export type PlannedArtifacts = ArtifactFiles;
export type PlannedCache = BuildspecCache;
export type PlannedReport = BuildspecReport;

export interface BuildPlan {
  /** 0.1: every command is a fresh shell in the source folder and nothing is carried on. */
  version: '0.1' | '0.2';
  shell: 'sh' | 'bash';
  /** User for the whole build; null: root. Each phase has it filled in already. */
  runAs: string | null;
  /** The three lists share no name: see compile. Values are literal. */
  variables: NamedValue[];
  parameterStore: { name: string; parameter: string }[];
  secretsManager: { name: string; reference: string }[];
  exportedVariables: string[];
  /** Exactly INSTALL, PRE_BUILD, BUILD, POST_BUILD, in this order. */
  phases: PlannedPhase[];
  runtimeVersions: { name: string; version: string }[];
  artifacts: PlannedArtifacts | null;
  secondaryArtifacts: (PlannedArtifacts & { identifier: string })[];
  /** null: no cache section. With an empty `paths` there is nothing to cache. */
  cache: PlannedCache | null;
  reports: PlannedReport[];
  /** parse's, then compile's own. */
  warnings: Finding[];
}
