// The allow-list: a build's container is made from these settings and no others. Nothing that a user wrote reaches HostConfig
// but for the image, the sizes of a compute type and, where the operator allowed it, `privileged`.
import type { ContainerCreateOptions } from 'dockerode';
import type { ComputeLimits } from '#core/compute-type.js';
import type { SandboxSpec } from '../backend.js';
import type { ControlFiles } from '../spool/control-files.js';

export const BUILD_ROOT = '/codebuild/output';
export const CONTROL_ROOT = '/kilnyard';
/** The command's script and the carried environment: memory, never the worker's disk. */
export const TEMP_DIR = '/codebuild/output/tmp';
const TEMP_BYTES = 256 * 1024 * 1024;

/** What package managers and `su` need, and no more: no raw sockets, no device nodes, no ptrace, no mounts. */
export const CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETUID',
  'SYS_CHROOT',
] as const;

export const LABEL = {
  instance: 'kilnyard.instance',
  build: 'kilnyard.build',
  attempt: 'kilnyard.attempt',
  worker: 'kilnyard.worker',
  project: 'kilnyard.project',
  /** Of a container that was made before its build: the name of its control folder then. Whose it is now, the folder tells. */
  waiting: 'kilnyard.waiting',
} as const;

/** Name of the container of one attempt: a second one for the same attempt is refused by the engine. */
export function containerName(buildId: string, attempt: number): string {
  return `kilnyard-${buildId}-${attempt}`;
}

/** What the worker knows of itself. */
export interface HostFacts {
  instance: string;
  network: string;
  /** Of the engine; a compute type that has more is clamped to it. */
  cpus: number;
  files: ControlFiles;
}

/** A container for one attempt of a build. */
export function containerOptions(spec: SandboxSpec, host: HostFacts): ContainerCreateOptions {
  const labels = {
    [LABEL.build]: spec.buildId,
    [LABEL.attempt]: String(spec.attempt),
    [LABEL.worker]: spec.workerId,
    [LABEL.project]: spec.projectName,
  };
  return options({ ...spec, image: spec.image.id, name: containerName(spec.buildId, spec.attempt), labels }, host);
}

/** A container for whichever build comes first: it knows no project, and it is never privileged. */
export function waitingOptions(
  kind: { image: string; limits: Omit<ComputeLimits, 'diskBytes'> },
  name: string,
  host: HostFacts,
): ContainerCreateOptions {
  return options({ ...kind, name: `kilnyard-${name}`, labels: { [LABEL.waiting]: name }, privileged: false }, host);
}

interface Makings {
  name: string;
  /** Image id. */
  image: string;
  labels: Record<string, string>;
  limits: Omit<ComputeLimits, 'diskBytes'>;
  privileged: boolean;
}

function options(spec: Makings, host: HostFacts): ContainerCreateOptions {
  const bind = (source: string, target: string, ReadOnly = false) =>
    ({ Type: 'bind', Source: source, Target: target, ReadOnly, BindOptions: { Propagation: 'rprivate' } }) as const;
  return {
    name: spec.name,
    Image: spec.image,
    Entrypoint: ['/bin/sh', `${CONTROL_ROOT}/plan`],
    Cmd: [],
    User: '0:0',
    WorkingDir: '/',
    Env: [],
    Tty: false,
    OpenStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGKILL',
    Labels: { [LABEL.instance]: host.instance, ...spec.labels },
    HostConfig: {
      NetworkMode: host.network,
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
      Memory: spec.limits.memoryBytes,
      MemorySwap: spec.limits.memoryBytes,
      NanoCpus: Math.floor(Math.min(spec.limits.cpus, host.cpus) * 1e9),
      PidsLimit: spec.limits.pids,
      CapDrop: ['ALL'],
      CapAdd: spec.privileged ? [] : [...CAPABILITIES],
      SecurityOpt: spec.privileged ? [] : ['no-new-privileges'],
      Privileged: spec.privileged,
      IpcMode: 'private',
      Tmpfs: { [TEMP_DIR]: `rw,nosuid,nodev,mode=0777,size=${TEMP_BYTES}` },
      Mounts: [
        bind(host.files.plan, `${CONTROL_ROOT}/plan`, true),
        bind(host.files.stdout, `${CONTROL_ROOT}/stdout`),
        bind(host.files.output, `${CONTROL_ROOT}/output`),
        bind(host.files.events, `${CONTROL_ROOT}/events`),
        bind(host.files.workspace, BUILD_ROOT),
      ],
    },
  };
}
