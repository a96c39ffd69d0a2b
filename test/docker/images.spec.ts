// As a user I build on images of a private registry; on a host that I share, nobody builds on mine without my registry's leave.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testDocker } from '#testing/docker-leaks.js';
import { House } from '#testing/house.js';
import { specOf } from '#testing/house-client.js';
import { BUILDER, startRegistry, type TestRegistry } from '#testing/registry.js';
import { until } from '#testing/until.js';

const SH = process.env['KILNYARD_TEST_IMAGE_SH'] ?? 'kilnyard-test/busybox:1';

let registry: TestRegistry;
let house: House;
let image: string;
let id: string;

beforeAll(async () => {
  registry = await startRegistry();
  image = `${registry.address}/team/private:1`;
  id = await push();
  // the image itself goes away and leaves its layers behind, as another name of them stays
  house = await House.start({
    backend: 'docker',
    settings: {
      KILNYARD_WARM_IMAGES: `${registry.address}/none:1`,
      KILNYARD_IMAGE_ACCESS_MS: '0',
      KILNYARD_WAITING_MAX: '0',
    },
  });
}, 120_000);
// each by itself: a registry that is left running keeps this process, whatever the house says
afterAll(() => house?.stop());
afterAll(() => testDocker().getImage(id).remove({ force: true }));
afterAll(() => registry?.stop());

/** The shell's image with a label of its own: another id, which nobody's other tests care for. */
async function push(): Promise<string> {
  const docker = testDocker();
  const [repo, tag] = [image.slice(0, -2), '1'];
  const container = await docker.createContainer({ Image: SH, Cmd: ['true'] });
  await container.commit({ repo, tag, changes: `LABEL kilnyard.test.private=${registry.address}` });
  await container.remove();
  const stream = await docker.getImage(image).push({ authconfig: BUILDER });
  await new Promise((resolve, reject) =>
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve(null))),
  );
  const { Id } = await docker.getImage(image).inspect();
  await docker.getImage(image).remove();
  return Id;
}

const project = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  source: { type: 'NO_SOURCE', buildspec: specOf({ build: ['echo built'] }) },
  environment: { image, ...over },
});

describe('an image of a private registry', () => {
  it('is built on with the project’s credential, by digest, and the pull is in the log', async () => {
    const { client } = house;
    await client.json('PUT', '/v1/secrets/registry/team', { value: JSON.stringify(BUILDER) });
    const build = await client.build(
      'with-the-right',
      project({
        imagePullCredentialsType: 'SERVICE_ROLE',
        registryCredential: { credential: 'registry/team', credentialProvider: 'SECRETS_MANAGER' },
      }),
    );
    const log = (await client.raw(build.id)).toString();
    expect([build.buildStatus, log]).toEqual(['SUCCEEDED', expect.stringContaining('built')]);
    expect(log).toMatch(/Pulling 127\.0\.0\.1:\d+\/team\/private:1: it is sha256:[0-9a-f]{64}\n/);
    expect(log).toMatch(/Pulled 127\.0\.0\.1:\d+\/team\/private:1 in [0-9.]+ s\n/);
    expect(log).not.toContain(BUILDER.password);
    const { rows } = await house.database.query<{ image_digest: string }>(
      `SELECT image_digest FROM build WHERE project_name = 'with-the-right'`,
    );
    expect(rows[0]?.image_digest).toMatch(/\/team\/private@sha256:[0-9a-f]{64}$/);
  });

  it('that is on the host by now is still not for the project that has no right to it', async () => {
    const build = await house.client.build('without-the-right', project());
    expect(build.buildStatus).toBe('FAILED');
    expect(build.phases.find(({ phaseStatus }) => phaseStatus === 'FAILED')).toMatchObject({
      phaseType: 'PROVISIONING',
      contexts: [
        { statusCode: 'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE', message: expect.stringContaining('no basic auth') },
      ],
    });
  });
});

it('a warm image that cannot be had is told in the worker’s message, and the worker goes on', async () => {
  await until('the worker tells', async () => {
    const { rows } = await house.database.query<{ state: string; message: string }>(
      'SELECT state, message FROM worker',
    );
    return rows[0]?.state === 'ACTIVE' && /warm image .*\/none:1: .*no basic auth/.test(rows[0].message);
  });
});
