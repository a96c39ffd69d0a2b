// What a project says about its builds; CodeBuild's words and shapes (codebuild-contract A7). Plain data: the API has checked it.
import type { BuildBatchConfig } from './batch.js';
import type { ProjectId } from './ids.js';
import type { ComputeType } from './compute-type.js';
import type { RetryPolicy } from './retry.js';
import type { ProjectRetention } from './retention.js';

/** CodeBuild's source types that Kilnyard can fetch, and two of its own: GIT (any Git URL) and ARCHIVE (zip or tar.gz by URL or upload). */
export const SOURCE_TYPES = [
  'GIT',
  'GITHUB',
  'GITHUB_ENTERPRISE',
  'GITLAB',
  'GITLAB_SELF_MANAGED',
  'BITBUCKET',
  'CODECOMMIT',
  'ARCHIVE',
  'S3',
  'NO_SOURCE',
] as const;
export type SourceType = (typeof SOURCE_TYPES)[number];

/** How the worker proves itself to the source's host; the container never sees it. */
export interface SourceAuth {
  type: 'SECRETS_MANAGER';
  /** Name of a secret: `{"username","password"}` or `{"token"}` for https, `{"privateKey","knownHosts"?}` for ssh, or a bare token. */
  resource: string;
}

export interface ProjectSource {
  type: SourceType;
  /** Git URL, local path (where allowed), archive URL, or `upload:<id>`. Absent for NO_SOURCE. */
  location?: string;
  /** 0 or absent or over 25: full history (codebuild-contract A5). */
  gitCloneDepth?: number;
  gitSubmodulesConfig?: { fetchSubmodules: boolean };
  /** Inline YAML, or a path inside the source; absent: buildspec.yml. */
  buildspec?: string;
  auth?: SourceAuth;
  reportBuildStatus?: boolean;
  insecureSsl?: boolean;
  sourceIdentifier?: string;
}

export interface ProjectArtifacts {
  /** S3: the artifact store of this Kilnyard (local disk by default). */
  type: 'S3' | 'NO_ARTIFACTS';
  location?: string;
  path?: string;
  namespaceType?: 'NONE' | 'BUILD_ID';
  name?: string;
  packaging?: 'NONE' | 'ZIP';
  overrideArtifactName?: boolean;
  encryptionDisabled?: boolean;
  artifactIdentifier?: string;
}

export interface ProjectCache {
  type: 'NO_CACHE' | 'LOCAL' | 'S3';
  location?: string;
  modes?: ('LOCAL_SOURCE_CACHE' | 'LOCAL_DOCKER_LAYER_CACHE' | 'LOCAL_CUSTOM_CACHE')[];
  cacheNamespace?: string;
}

export type EnvironmentVariableType = 'PLAINTEXT' | 'PARAMETER_STORE' | 'SECRETS_MANAGER';

export interface EnvironmentVariable {
  name: string;
  /** The text itself, or the name of a parameter, or `secret[:json-key[:stage[:version]]]`. */
  value: string;
  type: EnvironmentVariableType;
}

/** Kilnyard's own. ALWAYS: each build asks the registry what the image's tag means now. */
export const IMAGE_PULL_POLICIES = ['IF_NOT_PRESENT', 'ALWAYS'] as const;
export type ImagePullPolicy = (typeof IMAGE_PULL_POLICIES)[number];

export interface ProjectEnvironment {
  type: 'LINUX_CONTAINER';
  image: string;
  /** Absent: IF_NOT_PRESENT. */
  imagePullPolicy?: ImagePullPolicy;
  computeType: ComputeType;
  environmentVariables: EnvironmentVariable[];
  privilegedMode: boolean;
  imagePullCredentialsType?: 'CODEBUILD' | 'SERVICE_ROLE';
  registryCredential?: { credential: string; credentialProvider: 'SECRETS_MANAGER' };
  /** Only workers of this fleet run it; absent: those of the common pool. A name, or CodeBuild's ARN. */
  fleet?: { fleetArn: string };
  /** Words that the worker must carry, all of them. Kilnyard's own. */
  labels?: string[];
}

export interface Tag {
  key: string;
  value: string;
}

/** Everything of a project that a build copies at its start. */
export interface ProjectSettings {
  description?: string;
  source: ProjectSource;
  secondarySources: ProjectSource[];
  sourceVersion?: string;
  secondarySourceVersions: { sourceIdentifier: string; sourceVersion: string }[];
  artifacts: ProjectArtifacts;
  secondaryArtifacts: ProjectArtifacts[];
  cache: ProjectCache;
  environment: ProjectEnvironment;
  serviceRole?: string;
  /** 5–2160. Counts from PROVISIONING. */
  timeoutInMinutes: number;
  /** 5–480. */
  queuedTimeoutInMinutes: number;
  encryptionKey?: string;
  tags: Tag[];
  /** Running builds at once; absent: no limit of its own. */
  concurrentBuildLimit?: number;
  /** 0–10: how often a build that ended badly gets another attempt; retry.ts. */
  autoRetryLimit?: number;
  /** Which ends autoRetryLimit is for; absent: DEFAULT_RETRY_CAUSES. Kilnyard's own. */
  retryPolicy?: RetryPolicy;
  /** Only in a build's copy, where it was asked for: codebuild-breakpoint may pause the build. */
  debugSessionEnabled?: boolean;
  badgeEnabled?: boolean;
  logsConfig?: Record<string, unknown>;
  /** Higher goes first; default 0, -100 to 100. Kilnyard's own. */
  priority: number;
  /** How long builds, logs and artifacts are kept where it differs from the instance's. Kilnyard's own. */
  retention?: ProjectRetention;
  /** How its batches run; absent: it has none, but for requests that bring their own. */
  buildBatchConfig?: BuildBatchConfig;
}

export interface Project {
  id: ProjectId;
  name: string;
  settings: ProjectSettings;
  created: Date;
  lastModified: Date;
}

export const DEFAULT_TIMEOUT_MINUTES = 60;
export const DEFAULT_QUEUED_TIMEOUT_MINUTES = 480;
/** codebuild-contract A3. */
export const PROJECT_NAME = /^[A-Za-z0-9][A-Za-z0-9\-_]{1,149}$/;
