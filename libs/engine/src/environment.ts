// The variables that every build sees (codebuild-contract C10). Pure.
import type { Build } from '#core/build.js';
import { publicBuildId } from '#core/ids.js';
import type { ProjectSource } from '#core/project.js';

/** Stand in ARNs where AWS has a region and an account. */
export const ARN_PREFIX = 'arn:aws:codebuild:local:000000000000';

export interface BuiltInFacts {
  build: Build;
  buildUrl: string;
  sourceDir: string;
  resolvedSourceVersion: string | undefined;
  secondary: readonly { identifier: string; dir: string; source: ProjectSource; version: string | undefined }[];
  home: string;
}

/** Kilnyard's own variables, which no project or buildspec can replace. */
export function builtInVariables(facts: BuiltInFacts): { name: string; value: string }[] {
  const { build } = facts;
  const id = publicBuildId(build.projectName, build.id);
  const variables: Record<string, string> = {
    CODEBUILD_BUILD_ARN: `${ARN_PREFIX}:build/${id}`,
    CODEBUILD_BUILD_ID: id,
    CODEBUILD_BUILD_IMAGE: build.settings.environment.image,
    CODEBUILD_BUILD_NUMBER: String(build.number),
    CODEBUILD_BUILD_URL: facts.buildUrl,
    CODEBUILD_BATCH_BUILD_IDENTIFIER: build.batch?.identifier ?? '',
    CODEBUILD_CI: 'true',
    CODEBUILD_INITIATOR: build.initiator,
    CODEBUILD_KMS_KEY_ID: build.settings.encryptionKey ?? '',
    CODEBUILD_LOG_PATH: build.id,
    CODEBUILD_PROJECT_ARN: `${ARN_PREFIX}:project/${build.projectName}`,
    CODEBUILD_PROJECT_UUID: build.projectId ?? '',
    CODEBUILD_PUBLIC_BUILD_URL: '',
    CODEBUILD_SOURCE_REPO_URL: withoutCredential(build.settings.source.location),
    CODEBUILD_SOURCE_VERSION: build.sourceVersion ?? facts.resolvedSourceVersion ?? '',
    CODEBUILD_SRC_DIR: facts.sourceDir,
    CODEBUILD_START_TIME: String((build.startedAt ?? build.queuedAt).getTime()),
    HOME: facts.home,
  };
  if (facts.resolvedSourceVersion !== undefined)
    variables.CODEBUILD_RESOLVED_SOURCE_VERSION = facts.resolvedSourceVersion;
  for (const { identifier, dir, source, version } of facts.secondary) {
    variables[`CODEBUILD_SRC_DIR_${identifier}`] = dir;
    variables[`CODEBUILD_SOURCE_REPO_URL_${identifier}`] = withoutCredential(source.location);
    variables[`CODEBUILD_SOURCE_VERSION_${identifier}`] = version ?? '';
  }
  return Object.entries(variables).map(([name, value]) => ({ name, value }));
}

/**
 * CODEBUILD_SRC_DIR below the build root: the same for every build of a project, so that cached paths fit again
 * (form from codebuild-contract C10: `src<digits>/src`, for GitHub with `github.com/<org>/<repo>` behind it).
 */
export function sourceFolder(projectName: string, source: ProjectSource): string {
  let hash = 0;
  for (const character of `${projectName}/${source.sourceIdentifier ?? ''}`)
    hash = (Math.imul(hash, 31) + character.codePointAt(0)!) >>> 0;
  const root = `src${String(hash).padStart(10, '0')}/src`;
  const repository = /^(?:https:\/\/|git@|ssh:\/\/git@)(github\.com)[/:]([\w.-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(
    source.location ?? '',
  );
  if (
    !source.type.startsWith('GITHUB') ||
    repository === null ||
    repository.slice(2).some((part) => /^\.+$/.test(part))
  )
    return root;
  return `${root}/${repository.slice(1).join('/')}`;
}

function withoutCredential(location: string | undefined): string {
  return (location ?? '').replace(/^([a-z]+:\/\/)[^@/]*@/, '$1');
}
