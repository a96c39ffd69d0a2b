// The parts of a project's document, as CodeBuild spells them (codebuild-contract A7), with the checks that A5 names.
// The OpenAPI document is made of these same schemas.
import { z } from 'zod';
import { MAX_BATCH_TASKS } from '#buildspec/limits.js';
import { BATCH_REPORT_MODES, DEFAULT_BATCH_TIMEOUT_MINUTES, DEFAULT_MAX_BUILDS } from '#core/batch.js';
import { COMPUTE_TYPE_NAMES } from '#core/compute-type.js';
import { FLEET_NAME, fleetName, LABEL, MAX_LABELS } from '#core/fleet.js';
import { IMAGE_PULL_POLICIES, SOURCE_TYPES } from '#core/project.js';
import { DEFAULT_RETRY_CAUSES, MAX_AUTO_RETRIES, RETRY_CAUSES } from '#core/retry.js';
import { imageMistake } from './image-name.js';
import { sourceMistakes } from './source-checks.js';

export const MAX_SECONDARY = 12;
export const MAX_TAGS = 50;
export const MAX_VARIABLES = 500;
export const MAX_VARIABLE_BYTES = 65_536;
export const MAX_BUILDSPEC_BYTES = 262_144;
/** The URL segment of the primary artifact, so no secondary one may be called so. */
export const PRIMARY_ARTIFACT = 'primary';

const text = (max: number) => z.string().min(1).max(max);
const noControl = (schema: z.ZodString) =>
  schema.refine((value) => !/[\0-\x1f\x7f]/.test(value), 'a text without control characters');

export const identifier = z
  .string()
  .regex(/^[A-Za-z0-9_]{1,127}$/, 'an identifier of letters, digits and `_`, up to 127')
  .refine((value) => value !== PRIMARY_ARTIFACT, `an identifier other than "${PRIMARY_ARTIFACT}"`);

export const sourceAuth = z
  .strictObject({
    type: z.literal('SECRETS_MANAGER'),
    resource: noControl(text(512)).meta({ description: 'Name of the secret that proves the worker to the host.' }),
  })
  .meta({
    id: 'SourceAuth',
    description:
      'A secret of this Kilnyard: `{"username","password"}` or `{"token"}` for https, `{"privateKey","knownHosts"}` for ssh, or a bare token.',
  });

export const buildspecText = z
  .string()
  .max(MAX_BUILDSPEC_BYTES)
  .refine((value) => !value.includes('\0'), 'a text without NUL')
  .meta({ description: 'Inline YAML, or a path inside the source; absent: `buildspec.yml`.' });

export const sourceVersion = noControl(text(512))
  .refine((value) => !value.startsWith('-'), 'a version that does not start with `-`')
  .meta({ description: 'Branch, tag, commit, or `pr/<number>`.' });

const sourceShape = {
  type: z.enum(SOURCE_TYPES),
  location: noControl(text(2048))
    .optional()
    .meta({ description: 'Git URL, archive URL, or `upload:<id>`. Not for NO_SOURCE.' }),
  gitCloneDepth: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .optional()
    .meta({ description: 'Commits of history; 0, absent or over 25: all.' }),
  gitSubmodulesConfig: z.strictObject({ fetchSubmodules: z.boolean() }).optional(),
  buildspec: buildspecText.optional(),
  auth: sourceAuth.optional(),
  reportBuildStatus: z.boolean().optional(),
  insecureSsl: z.boolean().optional(),
};

export const primarySource = z
  .strictObject(sourceShape)
  .superRefine((source, context) => {
    for (const mistake of sourceMistakes(source))
      context.addIssue({ code: 'custom', path: [mistake.field], message: mistake.expected, input: source });
  })
  .meta({ id: 'ProjectSource' });

export const secondarySource = z
  .strictObject({ ...sourceShape, sourceIdentifier: identifier })
  .superRefine((source, context) => {
    for (const mistake of sourceMistakes(source))
      context.addIssue({ code: 'custom', path: [mistake.field], message: mistake.expected, input: source });
  })
  .meta({ id: 'SecondarySource' });

export const secondarySourceVersion = z
  .strictObject({ sourceIdentifier: identifier, sourceVersion })
  .meta({ id: 'ProjectSourceVersion' });

const safePath = z
  .string()
  .max(1024)
  .refine(
    (value) => !/[\0-\x1f\x7f\\]/.test(value) && !value.split('/').includes('..'),
    'a path of names and `/`, without `..`',
  );

const artifactsShape = {
  type: z.enum(['S3', 'NO_ARTIFACTS']).meta({ description: 'S3: the artifact store of this Kilnyard.' }),
  location: safePath.optional(),
  path: safePath.optional(),
  namespaceType: z.enum(['NONE', 'BUILD_ID']).optional(),
  name: safePath.optional(),
  packaging: z.enum(['NONE', 'ZIP']).optional(),
  overrideArtifactName: z.boolean().optional(),
  encryptionDisabled: z.boolean().optional(),
};

interface ArtifactsInput {
  type: 'S3' | 'NO_ARTIFACTS';
  location?: string | undefined;
  encryptionDisabled?: boolean | undefined;
}
function checkArtifacts(artifacts: ArtifactsInput, context: z.RefinementCtx): void {
  if (artifacts.type !== 'NO_ARTIFACTS') return;
  if (artifacts.location !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['location'],
      message: 'no location with NO_ARTIFACTS',
      input: artifacts,
    });
  if (artifacts.encryptionDisabled !== undefined)
    context.addIssue({
      code: 'custom',
      path: ['encryptionDisabled'],
      message: 'no encryptionDisabled with NO_ARTIFACTS',
      input: artifacts,
    });
}

export const primaryArtifacts = z
  .strictObject(artifactsShape)
  .superRefine(checkArtifacts)
  .meta({ id: 'ProjectArtifacts' });
export const secondaryArtifacts = z
  .strictObject({ ...artifactsShape, artifactIdentifier: identifier })
  .superRefine(checkArtifacts)
  .meta({ id: 'SecondaryArtifacts' });

export const cache = z
  .strictObject({
    type: z.enum(['NO_CACHE', 'LOCAL', 'S3']),
    location: safePath.optional(),
    modes: z
      .array(z.enum(['LOCAL_SOURCE_CACHE', 'LOCAL_DOCKER_LAYER_CACHE', 'LOCAL_CUSTOM_CACHE']))
      .max(3)
      .optional(),
    cacheNamespace: noControl(text(255)).optional(),
  })
  .refine((value) => value.type !== 'LOCAL' || (value.modes?.length ?? 0) > 0, {
    path: ['modes'],
    message: 'at least one mode with a LOCAL cache',
  })
  .meta({ id: 'ProjectCache' });

export const environmentVariable = z
  .strictObject({
    name: z
      .string()
      .max(255)
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and `_` that starts with no digit')
      .refine(
        (name) => !name.startsWith('CODEBUILD_'),
        'a name that does not start with CODEBUILD_, which is reserved',
      ),
    value: z
      .string()
      .max(MAX_VARIABLE_BYTES)
      .refine((value) => !value.includes('\0'), 'a value without NUL'),
    type: z.enum(['PLAINTEXT', 'PARAMETER_STORE', 'SECRETS_MANAGER']).default('PLAINTEXT').meta({
      description: 'PARAMETER_STORE and SECRETS_MANAGER: `value` names a parameter or secret of this Kilnyard.',
    }),
  })
  .meta({ id: 'EnvironmentVariable' });

export const environmentVariables = z
  .array(environmentVariable)
  .max(MAX_VARIABLES)
  .superRefine((variables, context) => {
    const seen = new Set<string>();
    variables.forEach(({ name }, index) => {
      if (seen.has(name))
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: 'a name that is not in the list yet',
          input: name,
        });
      seen.add(name);
    });
  });

export const imageName = z
  .string()
  .min(1)
  .max(512)
  .superRefine((image, context) => {
    const expected = imageMistake(image);
    if (expected !== null) context.addIssue({ code: 'custom', message: expected, input: image });
  });

export const registryCredential = z
  .strictObject({ credential: noControl(text(512)), credentialProvider: z.literal('SECRETS_MANAGER') })
  .meta({ id: 'RegistryCredential' });
export const imagePullCredentialsType = z.enum(['CODEBUILD', 'SERVICE_ROLE']);
export const imagePullPolicy = z.enum(IMAGE_PULL_POLICIES);
export const computeType = z.enum(COMPUTE_TYPE_NAMES);

export const fleet = z
  .strictObject({
    fleetArn: noControl(text(2048))
      .refine((value) => FLEET_NAME.test(fleetName(value)), 'the name of a fleet, or an ARN that ends with one')
      .meta({ description: 'Name of the fleet (KILNYARD_WORKER_FLEET of its workers), or an ARN `…:fleet/<name>:…`.' }),
  })
  .meta({ id: 'ProjectFleet', description: 'Only workers of this fleet run the build.' });
export const labels = z
  .array(z.string().regex(LABEL, 'a label like `gpu` or `arch=arm64`'))
  .max(MAX_LABELS)
  .meta({ description: 'Words that the worker must carry, all of them (KILNYARD_WORKER_LABELS).' });

export const environment = z
  .strictObject({
    type: z.literal('LINUX_CONTAINER').default('LINUX_CONTAINER'),
    image: imageName.optional().meta({ description: "Absent: the service's default image." }),
    imagePullPolicy: imagePullPolicy
      .optional()
      .meta({ description: 'Absent: IF_NOT_PRESENT. ALWAYS: each build asks the registry what the tag means now.' }),
    computeType: computeType.default('BUILD_GENERAL1_SMALL'),
    environmentVariables: environmentVariables.default([]),
    privilegedMode: z
      .boolean()
      .default(false)
      .meta({ description: 'Only for projects that the operator named (KILNYARD_PRIVILEGED_PROJECTS).' }),
    imagePullCredentialsType: imagePullCredentialsType.optional(),
    registryCredential: registryCredential.optional(),
    fleet: fleet.optional(),
    labels: labels.optional(),
  })
  .refine((value) => value.registryCredential === undefined || value.imagePullCredentialsType === 'SERVICE_ROLE', {
    path: ['registryCredential'],
    message: 'imagePullCredentialsType SERVICE_ROLE beside a registryCredential',
  })
  .meta({ id: 'ProjectEnvironment' });

const tagText = /^[\p{L}\p{Z}\p{N}_.:/=@+-]*$/u;
export const tags = z
  .array(
    z.strictObject({
      key: z.string().min(1).max(127).regex(tagText, 'letters, digits, spaces and _.:/=@+-'),
      value: z.string().max(255).regex(tagText, 'letters, digits, spaces and _.:/=@+-'),
    }),
  )
  .max(MAX_TAGS);

export const timeoutInMinutes = z.int().min(5).max(2160);
export const queuedTimeoutInMinutes = z.int().min(5).max(480);
export const priority = z.int().min(-100).max(100).meta({ description: 'Place in the queue; higher goes first.' });
export const role = noControl(text(2048));
export const autoRetryLimit = z.int().min(0).max(MAX_AUTO_RETRIES).meta({
  description: 'How often a build that ended badly gets another attempt; 0 or absent: never. `retryPolicy` says when.',
});
export const MAX_EXIT_CODES = 32;
export const retryPolicy = z
  .strictObject({
    causes: z.array(z.enum(RETRY_CAUSES)).min(1).max(RETRY_CAUSES.length).superRefine(eachOnce).meta({
      description:
        'WORKER_LOST: container, worker or host gone; FAULT: any other fault of Kilnyard; FAILED: the build’s own failure; TIMED_OUT: its timeout.',
    }),
    exitCodes: z
      .array(z.int().min(1).max(255))
      .min(1)
      .max(MAX_EXIT_CODES)
      .superRefine(eachOnce)
      .optional()
      .meta({ description: 'Narrows FAILED to these exit statuses of the command that failed first.' }),
  })
  .refine((policy) => policy.exitCodes === undefined || policy.causes.includes('FAILED'), {
    path: ['exitCodes'],
    message: 'exit codes beside the cause FAILED alone',
  })
  .meta({
    id: 'RetryPolicy',
    description: `Which ends of a build autoRetryLimit is for; absent: ${DEFAULT_RETRY_CAUSES.join(', ')}.`,
  });
const days = z.int().min(0).max(36_500);
const count = z.int().min(0).max(1_000_000);
export const retention = z
  .strictObject({
    buildsDays: days.optional().meta({ description: 'Days that a build is kept.' }),
    buildsCount: count.optional().meta({ description: 'Builds that are kept, the newest.' }),
    logsDays: days.optional().meta({ description: 'Days that a log is kept; never longer than its build.' }),
    artifactsDays: days.optional().meta({ description: 'Days that artifacts are kept.' }),
    artifactsCount: count
      .optional()
      .meta({ description: 'Builds whose artifacts are kept, the newest that have some.' }),
  })
  .meta({
    id: 'ProjectRetention',
    description:
      "How long what builds leave is kept, where it differs from the instance's (KILNYARD_KEEP_…). 0: no limit. The newest successful build stays, with its artifacts.",
  });
export const logsConfig = z.record(z.string().max(64), z.unknown());

/** Adds an issue for every entry that comes twice. */
function eachOnce(entries: (string | number)[], context: z.RefinementCtx): void {
  entries.forEach((entry, index) => {
    if (entries.indexOf(entry) === index) return;
    context.addIssue({
      code: 'custom',
      path: [index],
      message: 'an entry that is not in the list yet',
      input: entries,
    });
  });
}

/** Adds an issue for every identifier that comes twice. */
export function uniqueBy<T>(of: (entry: T) => string, field: string) {
  return (entries: T[], context: z.RefinementCtx): void => {
    const seen = new Set<string>();
    entries.forEach((entry, index) => {
      if (seen.has(of(entry)))
        context.addIssue({
          code: 'custom',
          path: [index, field],
          message: 'an identifier that is not used yet',
          input: entry,
        });
      seen.add(of(entry));
    });
  };
}

/** CodeBuild's ProjectBuildBatchConfig (codebuild-contract A7). */
export const buildBatchConfig = z
  .strictObject({
    serviceRole: role.optional().meta({ description: 'Kept and shown, without effect.' }),
    combineArtifacts: z.boolean().optional().meta({
      description: 'The artifacts of all builds keep their place; else each gets its identifier as a folder.',
    }),
    restrictions: z
      .strictObject({
        maximumBuildsAllowed: z
          .int()
          .min(1)
          .max(MAX_BATCH_TASKS)
          .optional()
          .meta({
            description: `Tasks of a batch; absent: ${DEFAULT_MAX_BUILDS}.`,
          }),
        computeTypesAllowed: z.array(computeType).min(1).optional(),
        fleetsAllowed: z.array(text(256)).min(1).max(100).optional(),
      })
      .optional()
      .meta({ description: 'A batch that asks for more fails before a task of it begins.' }),
    timeoutInMins: z
      .int()
      .min(5)
      .max(2160)
      .optional()
      .meta({
        description: `Of the whole batch, from the request; absent: ${DEFAULT_BATCH_TIMEOUT_MINUTES}.`,
      }),
    batchReportMode: z.enum(BATCH_REPORT_MODES).optional().meta({ description: 'Kept and shown.' }),
  })
  .meta({ id: 'BuildBatchConfig' });
