// Compute types: what a build's container may use. CodeBuild's sizes (codebuild-contract A5), pids and disk are ours.

export interface ComputeLimits {
  /** CPUs; clamped to what the worker's engine has. */
  cpus: number;
  memoryBytes: number;
  /** Workspace and the container's own layer together. */
  diskBytes: number;
  pids: number;
}

const GiB = 1024 ** 3;

export const COMPUTE_TYPES = {
  BUILD_GENERAL1_SMALL: { cpus: 2, memoryBytes: 4 * GiB, diskBytes: 64 * GiB, pids: 4096 },
  BUILD_GENERAL1_MEDIUM: { cpus: 4, memoryBytes: 8 * GiB, diskBytes: 128 * GiB, pids: 8192 },
  BUILD_GENERAL1_LARGE: { cpus: 8, memoryBytes: 16 * GiB, diskBytes: 128 * GiB, pids: 16384 },
  BUILD_GENERAL1_XLARGE: { cpus: 36, memoryBytes: 72 * GiB, diskBytes: 256 * GiB, pids: 32768 },
  BUILD_GENERAL1_2XLARGE: { cpus: 72, memoryBytes: 144 * GiB, diskBytes: 824 * GiB, pids: 65536 },
} as const satisfies Record<string, ComputeLimits>;

export type ComputeType = keyof typeof COMPUTE_TYPES;
export const COMPUTE_TYPE_NAMES = Object.keys(COMPUTE_TYPES) as [ComputeType, ...ComputeType[]];
