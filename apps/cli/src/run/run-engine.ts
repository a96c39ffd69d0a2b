// The Docker Engine as one run uses it: containers and network carry the run's id, and nothing of them is left when it is cleared.
import { join } from 'node:path';
import type { Section } from '#config/settings.js';
import { DockerBackend } from '#engine/backend/docker/docker-backend.js';
import { buildNetwork, removeNetwork } from '#engine/backend/docker/network.js';

export class RunEngine {
  readonly backend: DockerBackend;
  /** A sandbox is still there. */
  private stuck = false;
  private readonly network: string;
  private readonly helper: { image: string; instance: string };

  /** `id`: 6 hex digits. `path`: the run's folder, which the engine must see under the same path. */
  constructor({ id, path }: { id: string; path: string }, docker: Section<'docker'>, socket: string) {
    // its first ten characters name the bridge
    this.network = `krun${id}`;
    this.helper = { image: docker.defaultImage, instance: `run-${id}` };
    this.backend = new DockerBackend({
      socket,
      sandboxesDir: join(path, 'sandboxes'),
      instance: this.helper.instance,
      network: this.network,
      deny: docker.networkDeny,
      requireFirewall: true,
      firewallImage: this.helper.image,
      spoolLimitBytes: docker.spoolLimitBytes,
      images: {
        registryAuthFile: docker.registryAuthFile,
        limits: {
          timeoutMs: docker.imagePullTimeoutMs,
          stallMs: docker.imagePullStallMs,
          attempts: docker.imagePullAttempts,
        },
        accessCacheMs: docker.imageAccessMs,
      },
      onError: () => (this.stuck = true),
    });
  }

  /**
   * Everything of the run leaves the engine; call once, last. `all`: sandboxes that another process made with it.
   * Errors: Fault DOCKER_UNAVAILABLE; what iptables says.
   */
  async clear({ all = false } = {}): Promise<void> {
    const { backend } = this;
    try {
      if (all) await backend.sweep(() => false);
    } finally {
      await backend.close();
    }
    if (this.stuck) await backend.sweep(() => false);
    await removeNetwork(backend.docker, buildNetwork(this.network), this.helper);
  }
}
