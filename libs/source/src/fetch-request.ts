// What is asked of a source: by the worker for a build, and inside for each repository of it.
import type { ProjectSource } from '#core/project.js';
import type { FetchGuard } from './disk-limit.js';
import type { SourceCredential } from './git-credentials.js';
import type { GitLocation } from './git-location.js';
import type { Depth } from './git-mirror.js';
import type { WantedVersion } from './git-version.js';

export interface FetchRequest {
  source: ProjectSource;
  version: string | undefined;
  /** An existing empty folder; no credential is left in it. */
  into: string;
  /** Progress for the build's log; one line each. */
  say: (text: string) => void;
  signal: AbortSignal;
}

/** One repository to bring in: the source itself, or a submodule of it. */
export interface RepositoryFetch {
  location: GitLocation;
  credential: SourceCredential | undefined;
  wanted: WantedVersion;
  depth: Depth;
  into: string;
  source: ProjectSource;
  guard: FetchGuard;
  say: (text: string) => void;
  submodules: SubmoduleBudget;
}

/** How much further submodules may go. `left` undefined: not counted yet; 0: none wanted. */
export interface SubmoduleBudget {
  level: number;
  left: number | undefined;
}
