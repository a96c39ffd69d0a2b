// Runs the example through the public API: its project, one build, the log on the terminal, the outcome.
import { ApiError, type ApiClient, type ArtifactView, type BuildView } from './api-client.js';
import { elapsed, type Say } from './say.js';
import { setTimeout as sleep } from 'node:timers/promises';

export const EXAMPLE_PROJECT = 'hello-node';

/** The project as the API takes it; Git over HTTP from our own little server. */
export function exampleProject(repositoryUrl: string): Record<string, unknown> {
  return {
    name: EXAMPLE_PROJECT,
    description: 'The example that comes with Kilnyard: a small Node project.',
    source: { type: 'GIT', location: repositoryUrl },
    environment: { type: 'LINUX_CONTAINER', computeType: 'BUILD_GENERAL1_SMALL' },
    artifacts: { type: 'S3', name: 'hello-node.zip', packaging: 'ZIP' },
    cache: { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] },
    timeoutInMinutes: 15,
  };
}

/** Creates the project, or brings it up to date. */
export async function putExample(api: ApiClient, repositoryUrl: string, stop: AbortSignal): Promise<void> {
  const { name, ...settings } = exampleProject(repositoryUrl);
  try {
    await api.call('PUT', `/v1/projects/${EXAMPLE_PROJECT}`, settings, stop);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    await api.call('POST', '/v1/projects', { name, ...settings }, stop);
  }
}

/**
 * Starts a build of the example and follows it to its end.
 * Out: the build's final status. Errors: ApiError when the API refuses; the stop's reason when it is interrupted.
 */
export async function runExample(api: ApiClient, say: Say, stop: AbortSignal): Promise<string> {
  const started = await api.call<BuildView>('POST', `/v1/projects/${EXAMPLE_PROJECT}/builds`, {}, stop);
  say(`example build ${started.id}`);
  await api.followLog(started.id, (text) => process.stdout.write(`  | ${text}\n`), stop);
  const build = await ended(api, started.id, stop);
  say(`example build ${build.buildStatus}`);
  for (const phase of build.phases) {
    process.stdout.write(
      `  ${phase.phaseType.padEnd(17)} ${(phase.phaseStatus ?? '').padEnd(10)} ${duration(phase)}\n`,
    );
  }
  await showArtifacts(api, build, say, stop);
  return build.buildStatus;
}

/** The status is written after the last line of the log, so the log's end may come a moment sooner. */
async function ended(api: ApiClient, id: string, stop: AbortSignal): Promise<BuildView> {
  for (;;) {
    const build = await api.call<BuildView>('GET', `/v1/builds/${encodeURIComponent(id)}`, undefined, stop);
    if (build.buildStatus !== 'IN_PROGRESS') return build;
    await sleep(200, undefined, { signal: stop });
  }
}

function duration(phase: BuildView['phases'][number]): string {
  if (phase.startTime !== undefined && phase.endTime !== undefined) {
    return elapsed(Date.parse(phase.endTime) - Date.parse(phase.startTime));
  }
  return phase.durationInSeconds === undefined ? '' : elapsed(phase.durationInSeconds * 1000);
}

async function showArtifacts(api: ApiClient, build: BuildView, say: Say, stop: AbortSignal): Promise<void> {
  const path = `/v1/builds/${encodeURIComponent(build.id)}/artifacts`;
  const { items } = await api.call<{ items: ArtifactView[] }>('GET', path, undefined, stop);
  for (const { name, sizeBytes, downloadUrl } of items)
    say(`artifact ${name} (${sizeBytes} bytes): ${api.url}${downloadUrl}`);
}
