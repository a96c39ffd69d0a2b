// Lays a build request's overrides over its project's settings (codebuild-contract A5, Builds).
import type { BuildOverrides } from './build.js';
import type { EnvironmentVariable, ProjectSettings } from './project.js';

/**
 * The settings that one build runs with.
 * In: the project's settings, untouched; the overrides, already checked. Out: a new object.
 * Environment variables merge by name, the override's type travelling with its value; everything else is replaced whole.
 */
export function applyOverrides(project: ProjectSettings, over: BuildOverrides): ProjectSettings {
  const source = { ...project.source };
  if (over.sourceTypeOverride !== undefined) source.type = over.sourceTypeOverride;
  if (over.sourceLocationOverride !== undefined) source.location = over.sourceLocationOverride;
  if (over.gitCloneDepthOverride !== undefined) source.gitCloneDepth = over.gitCloneDepthOverride;
  if (over.gitSubmodulesConfigOverride !== undefined) source.gitSubmodulesConfig = over.gitSubmodulesConfigOverride;
  if (over.buildspecOverride !== undefined) source.buildspec = over.buildspecOverride;
  if (over.sourceAuthOverride !== undefined) source.auth = over.sourceAuthOverride;
  if (over.insecureSslOverride !== undefined) source.insecureSsl = over.insecureSslOverride;
  if (over.reportBuildStatusOverride !== undefined) source.reportBuildStatus = over.reportBuildStatusOverride;

  const environment = { ...project.environment };
  environment.environmentVariables = mergeVariables(
    environment.environmentVariables,
    over.environmentVariablesOverride ?? [],
  );
  if (over.imageOverride !== undefined) environment.image = over.imageOverride;
  if (over.computeTypeOverride !== undefined) environment.computeType = over.computeTypeOverride;
  if (over.privilegedModeOverride !== undefined) environment.privilegedMode = over.privilegedModeOverride;
  if (over.imagePullCredentialsTypeOverride !== undefined)
    environment.imagePullCredentialsType = over.imagePullCredentialsTypeOverride;
  if (over.registryCredentialOverride !== undefined) environment.registryCredential = over.registryCredentialOverride;
  if (over.fleetOverride !== undefined) environment.fleet = over.fleetOverride;
  if (over.labelsOverride !== undefined) environment.labels = over.labelsOverride;

  const settings: ProjectSettings = { ...project, source, environment };
  settings.secondarySources = over.secondarySourcesOverride ?? project.secondarySources;
  settings.secondarySourceVersions = over.secondarySourcesVersionOverride ?? project.secondarySourceVersions;
  settings.artifacts = over.artifactsOverride ?? project.artifacts;
  settings.secondaryArtifacts = over.secondaryArtifactsOverride ?? project.secondaryArtifacts;
  settings.cache = over.cacheOverride ?? project.cache;
  settings.timeoutInMinutes = over.timeoutInMinutesOverride ?? project.timeoutInMinutes;
  settings.queuedTimeoutInMinutes = over.queuedTimeoutInMinutesOverride ?? project.queuedTimeoutInMinutes;
  settings.priority = over.priorityOverride ?? project.priority;
  if (over.sourceVersion !== undefined) settings.sourceVersion = over.sourceVersion;
  if (over.serviceRoleOverride !== undefined) settings.serviceRole = over.serviceRoleOverride;
  if (over.encryptionKeyOverride !== undefined) settings.encryptionKey = over.encryptionKeyOverride;
  if (over.logsConfigOverride !== undefined) settings.logsConfig = over.logsConfigOverride;
  if (over.autoRetryLimitOverride !== undefined) settings.autoRetryLimit = over.autoRetryLimitOverride;
  if (over.retryPolicyOverride !== undefined) settings.retryPolicy = over.retryPolicyOverride;
  if (over.debugSessionEnabled !== undefined) settings.debugSessionEnabled = over.debugSessionEnabled;
  return settings;
}

/** Later lists win by name, keeping the place of the first mention. */
export function mergeVariables(...lists: readonly EnvironmentVariable[][]): EnvironmentVariable[] {
  const byName = new Map<string, EnvironmentVariable>();
  for (const list of lists) for (const variable of list) byName.set(variable.name, variable);
  return [...byName.values()];
}
