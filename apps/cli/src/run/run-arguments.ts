// What `kilnyard run` was asked for. Pure: no file is looked at.
import { parseArgs } from 'node:util';
import { COMPUTE_TYPE_NAMES, type ComputeType } from '#core/compute-type.js';
import { DEFAULT_TIMEOUT_MINUTES, PROJECT_NAME } from '#core/project.js';
import { UsageError } from '../command.js';

export interface RunArguments {
  /** As written; absent: buildspec.yml of the source. */
  buildspec?: string;
  /** Absent: the instance's default. */
  image?: string;
  /** Folder of the primary source, as written. */
  source: string;
  secondarySources: { identifier: string; dir: string }[];
  /** In order: a later one wins. */
  variables: ({ file: string } | { name: string; value: string })[];
  /** Folder that artifacts go to; absent: they are not kept. */
  artifacts?: string;
  cache?: string;
  secrets?: string;
  /** Absent: after the source's folder. */
  project?: string;
  computeType: ComputeType;
  timeoutMinutes: number;
  privileged: boolean;
  pull: boolean;
}

const OPTIONS = {
  buildspec: { type: 'string', short: 'b' },
  image: { type: 'string', short: 'i' },
  env: { type: 'string', short: 'e', multiple: true },
  source: { type: 'string', short: 's', multiple: true },
  artifacts: { type: 'string', short: 'a' },
  cache: { type: 'string' },
  secrets: { type: 'string' },
  project: { type: 'string' },
  'compute-type': { type: 'string' },
  timeout: { type: 'string' },
  privileged: { type: 'boolean' },
  pull: { type: 'boolean' },
} as const;

const ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/;
const NAMED_SOURCE = /^([A-Za-z0-9_]{1,127}):([^]+)$/;

/** Errors: UsageError; what parseArgs throws for options that are not there. */
export function readRunArguments(args: readonly string[]): RunArguments {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: false });
  for (const [name, value] of Object.entries(values))
    if ([value].flat().includes('')) throw new UsageError(`--${name} is empty`);
  const { buildspec, image, artifacts, cache, secrets } = values;
  return {
    ...{ buildspec, image, artifacts, cache, secrets },
    ...sourcesOf(values.source ?? []),
    variables: (values.env ?? []).map((written) => {
      const [, name, value] = ASSIGNMENT.exec(written) ?? [];
      return name === undefined || value === undefined ? { file: written } : { name, value };
    }),
    project: values.project === undefined ? undefined : projectName(values.project),
    computeType: computeType(values['compute-type']),
    timeoutMinutes: minutes(values.timeout),
    privileged: values.privileged === true,
    pull: values.pull === true,
  };
}

function sourcesOf(written: readonly string[]): Pick<RunArguments, 'source' | 'secondarySources'> {
  const primary: string[] = [];
  const secondarySources: RunArguments['secondarySources'] = [];
  for (const one of written) {
    const [, identifier, dir] = NAMED_SOURCE.exec(one) ?? [];
    if (identifier === undefined || dir === undefined) primary.push(one);
    else if (secondarySources.some((other) => other.identifier === identifier))
      throw new UsageError(`expected one source ${identifier}, got several`);
    else secondarySources.push({ identifier, dir });
  }
  if (primary.length > 1) throw new UsageError(`expected one primary source, got ${primary.join(' and ')}`);
  if (secondarySources.length > 12)
    throw new UsageError(`expected at most 12 secondary sources, got ${secondarySources.length}`);
  return { source: primary[0] ?? '.', secondarySources };
}

function computeType(written: string | undefined): ComputeType {
  if (written === undefined) return 'BUILD_GENERAL1_SMALL';
  const known = COMPUTE_TYPE_NAMES.find((one) => one === written);
  if (known === undefined) throw new UsageError(`expected one of ${COMPUTE_TYPE_NAMES.join(', ')}, got ${written}`);
  return known;
}

function minutes(written: string | undefined): number {
  if (written === undefined) return DEFAULT_TIMEOUT_MINUTES;
  const number = Number(written);
  if (!Number.isInteger(number) || number < 1 || number > 2160)
    throw new UsageError(`expected a timeout of 1 to 2160 minutes, got ${written}`);
  return number;
}

function projectName(written: string): string {
  if (PROJECT_NAME.test(written)) return written;
  throw new UsageError(
    `expected a project name of 2 to 150 letters, digits, - and _, got ${JSON.stringify(written.slice(0, 200))}`,
  );
}
