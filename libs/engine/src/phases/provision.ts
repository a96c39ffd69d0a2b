// PROVISIONING: the image and a waiting sandbox.
import { COMPUTE_TYPES } from '#core/compute-type.js';
import { PhaseFailure } from '#core/errors.js';
import type { PhaseOutcome } from '#core/outcome.js';
import type { BuildRun } from '../build-run.js';

/** Errors: what the backend throws; ACCESS_DENIED when the project may not be privileged. */
export async function provision(run: BuildRun): Promise<PhaseOutcome> {
  const { request, ports, log, signal } = run;
  const { environment } = request.build.settings;
  if (environment.privilegedMode && !request.privilegedAllowed) {
    throw new PhaseFailure(
      'ACCESS_DENIED',
      `privilegedMode is not allowed for the project ${request.build.projectName}; an operator can allow it with KILNYARD_PRIVILEGED_PROJECTS`,
    );
  }
  await log.say(`Running on Kilnyard worker ${request.workerName}\nWaiting for agent ping`);
  const auth = await registryAuth(run);
  const image = await ports.backend.prepareImage({
    image: environment.image,
    ...(auth ? { auth } : {}),
    ...(environment.imagePullPolicy === undefined ? {} : { policy: environment.imagePullPolicy }),
    say: (text) => log.sayLater(text),
    signal,
  });
  const recorded = ports.journal.setImage(image.digest);
  recorded.catch(() => undefined); // met below, when there is a sandbox to be taken away
  run.sandbox = await ports.backend.create(
    {
      buildId: request.lease.buildId,
      attempt: request.lease.attempt,
      workerId: request.lease.workerId,
      projectName: request.build.projectName,
      image,
      limits: COMPUTE_TYPES[environment.computeType],
      privileged: environment.privilegedMode,
    },
    signal,
  );
  await recorded;
  return { kind: 'succeeded' };
}

async function registryAuth(run: BuildRun): Promise<{ username: string; password: string } | null> {
  const { registryCredential } = run.request.build.settings.environment;
  if (registryCredential === undefined) return null;
  const text = await run.ports.secrets.secret(registryCredential.credential);
  run.log.addSecrets([text]);
  const parsed = parseJson(text) as { username?: unknown; password?: unknown } | null;
  if (typeof parsed?.username !== 'string' || typeof parsed.password !== 'string') {
    throw new PhaseFailure(
      'CLIENT_ERROR',
      `The registry credential ${registryCredential.credential} must be a secret of the form {"username": "…", "password": "…"}`,
    );
  }
  run.log.addSecrets([parsed.password]);
  return { username: parsed.username, password: parsed.password };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the caller says what was expected
  }
}
