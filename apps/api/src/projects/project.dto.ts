// A project's document as it comes and as it goes out, and how the one becomes what the store keeps.
import { z } from 'zod';
import {
  DEFAULT_QUEUED_TIMEOUT_MINUTES,
  DEFAULT_TIMEOUT_MINUTES,
  PROJECT_NAME,
  SOURCE_TYPES,
  type Project,
  type ProjectSettings,
} from '#core/project.js';
import { withoutUndefined } from '../http/without-undefined.js';
import { pageOf, pageQuery } from '../http/page.dto.js';
import * as field from './project-fields.dto.js';

export const projectName = z
  .string()
  .regex(PROJECT_NAME, '2 to 150 letters, digits, `-` and `_`, the first a letter or digit');

const settingsShape = {
  description: z.string().max(255).optional(),
  source: field.primarySource,
  secondarySources: z
    .array(field.secondarySource)
    .max(field.MAX_SECONDARY)
    .superRefine(field.uniqueBy((entry) => entry.sourceIdentifier, 'sourceIdentifier'))
    .default([]),
  sourceVersion: field.sourceVersion.optional(),
  secondarySourceVersions: z
    .array(field.secondarySourceVersion)
    .max(field.MAX_SECONDARY)
    .superRefine(field.uniqueBy((entry) => entry.sourceIdentifier, 'sourceIdentifier'))
    .default([]),
  artifacts: field.primaryArtifacts.default({ type: 'S3', packaging: 'ZIP' }),
  secondaryArtifacts: z
    .array(field.secondaryArtifacts)
    .max(field.MAX_SECONDARY)
    .superRefine(field.uniqueBy((entry) => entry.artifactIdentifier, 'artifactIdentifier'))
    .default([]),
  cache: field.cache.default({ type: 'NO_CACHE' }),
  environment: field.environment.prefault({}),
  serviceRole: field.role.optional(),
  timeoutInMinutes: field.timeoutInMinutes.default(DEFAULT_TIMEOUT_MINUTES),
  queuedTimeoutInMinutes: field.queuedTimeoutInMinutes.default(DEFAULT_QUEUED_TIMEOUT_MINUTES),
  encryptionKey: field.role.optional(),
  tags: field.tags.default([]),
  concurrentBuildLimit: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Builds of this project that run at once; absent: no limit of its own.' }),
  autoRetryLimit: field.autoRetryLimit.optional(),
  retryPolicy: field.retryPolicy.optional(),
  badgeEnabled: z.boolean().optional(),
  logsConfig: field.logsConfig.optional(),
  priority: field.priority.default(0),
  retention: field.retention.optional(),
  buildBatchConfig: field.buildBatchConfig.optional(),
};

/** A policy without a limit would be silently without effect; 0 switches it off on purpose. */
const hasLimit = (body: { autoRetryLimit?: number | undefined; retryPolicy?: unknown }): boolean =>
  body.retryPolicy === undefined || body.autoRetryLimit !== undefined;
const LIMIT_MISSING = {
  path: ['autoRetryLimit'],
  message: 'an autoRetryLimit beside a retryPolicy (0 switches it off)',
};

/** POST: the whole document with its name. */
export const createProjectBody = z
  .strictObject({ name: projectName, ...settingsShape })
  .refine(hasLimit, LIMIT_MISSING)
  .meta({ id: 'CreateProject', description: 'A project; what is left out gets its default.' });
/** PUT: the whole document; the name stands in the URL and may be repeated. */
export const replaceProjectBody = z
  .strictObject({ name: projectName.optional(), ...settingsShape })
  .refine(hasLimit, LIMIT_MISSING)
  .meta({ id: 'ReplaceProject', description: 'The whole document: what is left out gets its default again.' });

export const listProjectsQuery = z.strictObject({
  ...pageQuery,
  sortBy: z.enum(['NAME', 'CREATED_TIME', 'LAST_MODIFIED_TIME']).default('NAME'),
  sortOrder: z.enum(['ASCENDING', 'DESCENDING']).default('ASCENDING'),
});

/** Shown as it is stored; nothing is checked again on the way out. */
export const projectSettingsView = {
  description: z.string().optional(),
  source: z.looseObject({ type: z.enum(SOURCE_TYPES), location: z.string().optional() }),
  secondarySources: z.array(z.looseObject({ type: z.enum(SOURCE_TYPES), sourceIdentifier: z.string().optional() })),
  sourceVersion: z.string().optional(),
  secondarySourceVersions: z.array(z.object({ sourceIdentifier: z.string(), sourceVersion: z.string() })),
  artifacts: z.looseObject({ type: z.enum(['S3', 'NO_ARTIFACTS']) }),
  secondaryArtifacts: z.array(z.looseObject({ type: z.enum(['S3', 'NO_ARTIFACTS']) })),
  cache: z.looseObject({ type: z.enum(['NO_CACHE', 'LOCAL', 'S3']) }),
  environment: z.looseObject({
    type: z.literal('LINUX_CONTAINER'),
    image: z.string(),
    computeType: field.computeType,
    environmentVariables: z.array(z.object({ name: z.string(), value: z.string(), type: z.string() })),
    privilegedMode: z.boolean(),
  }),
  serviceRole: z.string().optional(),
  timeoutInMinutes: z.int(),
  queuedTimeoutInMinutes: z.int(),
  encryptionKey: z.string().optional(),
  tags: z.array(z.object({ key: z.string(), value: z.string() })),
  concurrentBuildLimit: z.int().optional(),
  autoRetryLimit: z.int().optional(),
  retryPolicy: field.retryPolicy.optional(),
  badgeEnabled: z.boolean().optional(),
  logsConfig: field.logsConfig.optional(),
  priority: z.int(),
  retention: field.retention.optional(),
  buildBatchConfig: field.buildBatchConfig.optional(),
};

export const timestamp = z.iso.datetime().meta({ description: 'ISO-8601, UTC.' });

export const projectView = z
  .object({ name: z.string(), ...projectSettingsView, created: timestamp, lastModified: timestamp })
  .meta({ id: 'Project' });
export const projectPage = pageOf('ProjectPage', projectView);
export type ProjectView = z.infer<typeof projectView>;

/** In: a checked document; the image of a project that names none. Out: what the store keeps. */
export function toProjectSettings(
  body: z.output<typeof createProjectBody> | z.output<typeof replaceProjectBody>,
  defaultImage: string,
): ProjectSettings {
  const { name: _, environment, ...rest } = body;
  return withoutUndefined<ProjectSettings>({
    ...rest,
    environment: { ...environment, image: environment.image ?? defaultImage },
  });
}

export function toProjectView(project: Project): ProjectView {
  return {
    name: project.name,
    ...viewOfSettings(project.settings),
    created: project.created.toISOString(),
    lastModified: project.lastModified.toISOString(),
  };
}

/** Settings as they are shown, in a project and in a build. */
export function viewOfSettings(settings: ProjectSettings): Omit<ProjectView, 'name' | 'created' | 'lastModified'> {
  return { ...settings, source: { ...settings.source }, artifacts: { ...settings.artifacts } } as Omit<
    ProjectView,
    'name' | 'created' | 'lastModified'
  >;
}
