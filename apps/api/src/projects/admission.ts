// What only the operator's settings can decide: local paths and privileged mode.
import { isAbsolute, normalize, sep } from 'node:path';
import { Refusal } from '#core/errors.js';
import type { ProjectSettings, ProjectSource } from '#core/project.js';
import type { ApiSettings } from '../connections.js';
import { isLocalPath } from './source-checks.js';

export type AdmissionSettings = {
  source: Pick<ApiSettings['source'], 'sourceLocalPaths'>;
  docker: Pick<ApiSettings['docker'], 'privilegedProjects'>;
};

/**
 * Lets a project's or a build's settings pass, or not.
 * Errors: Refusal SOURCE_NOT_ALLOWED for a local path outside of the operator's folders, PRIVILEGED_NOT_ALLOWED.
 */
export function admit(projectName: string, settings: ProjectSettings, allowed: AdmissionSettings): void {
  [settings.source, ...settings.secondarySources].forEach((source, index) =>
    admitSource(source, index === 0 ? 'source.location' : `secondarySources[${index - 1}].location`, allowed),
  );
  if (settings.environment.privilegedMode && !allowed.docker.privilegedProjects.includes(projectName)) {
    throw new Refusal(
      'PRIVILEGED_NOT_ALLOWED',
      `the operator has not allowed privilegedMode for project ${projectName} (KILNYARD_PRIVILEGED_PROJECTS)`,
      { findings: [{ field: 'environment.privilegedMode', expected: 'false', got: 'true' }] },
    );
  }
}

function admitSource(source: ProjectSource, field: string, allowed: AdmissionSettings): void {
  const { location } = source;
  if (location === undefined || source.type === 'NO_SOURCE' || !isLocalPath(location)) return;
  const folders = allowed.source.sourceLocalPaths;
  if (folders.some((folder) => isInside(location, folder))) return;
  const expected =
    folders.length === 0 ? 'a URL, since no local paths are allowed here' : `a path under ${folders.join(' or ')}`;
  throw new Refusal('SOURCE_NOT_ALLOWED', `${field}: expected ${expected} (KILNYARD_SOURCE_LOCAL_PATHS)`, {
    findings: [{ field, expected, got: location.slice(0, 200) }],
  });
}

function isInside(path: string, folder: string): boolean {
  if (!isAbsolute(folder)) return false;
  const root = normalize(folder).replace(/\/+$/, '');
  const asked = normalize(path);
  return asked === root || asked.startsWith(root + sep);
}
