// The builds' own network: a bridge on which containers cannot speak to each other, with rules that close the way to the host
// and to the addresses that the operator denies (the metadata address first).
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { messageOf } from '#core/errors.js';
import { engineFault, statusOf } from './engine-errors.js';
import { LABEL } from './host-config.js';

const exec = promisify(execFile);

export interface BuildNetwork {
  name: string;
  /** The bridge's interface: at most 15 characters. */
  bridge: string;
}

export function buildNetwork(name: string): BuildNetwork {
  return { name, bridge: `${name.replaceAll(/[^a-z0-9]/gi, '').slice(0, 10)}-br0` };
}

/** Makes the network when it is missing, and labels it as this Kilnyard's. Errors: Fault DOCKER_UNAVAILABLE; also when a network of that name is not ours. */
export async function ensureNetwork(docker: Docker, network: BuildNetwork, instance: string): Promise<void> {
  try {
    const found = (await docker.getNetwork(network.name).inspect()) as { Options?: Record<string, string> };
    if (found.Options?.['com.docker.network.bridge.enable_icc'] !== 'false') {
      throw new Error(
        `the network ${network.name} was not made by Kilnyard: its containers can reach each other. Remove it or set KILNYARD_BUILD_NETWORK`,
      );
    }
    return;
  } catch (error) {
    if (statusOf(error) !== 404) throw engineFault(error, `looking at the network ${network.name}`);
  }
  try {
    await docker.createNetwork({
      Name: network.name,
      Driver: 'bridge',
      CheckDuplicate: true,
      Labels: { 'kilnyard.network': 'builds', [LABEL.instance]: instance },
      Options: {
        'com.docker.network.bridge.enable_icc': 'false',
        'com.docker.network.bridge.name': network.bridge,
      },
    });
  } catch (error) {
    // another worker on this engine was faster
    if (statusOf(error) !== 409) throw engineFault(error, `making the network ${network.name}`);
  }
}

export interface FirewallState {
  inForce: boolean;
  message: string;
}

/**
 * Lays the rules for the bridge; laying them again changes nothing. Never throws: what is not in force is told, and a worker
 * reports itself degraded.
 * In: CIDRs that no build may reach (IPv4 ones count here, the bridge has no IPv6); `image` for the second way.
 * Where this process is root beside the engine it runs iptables itself; else a container of `image` runs the host's iptables.
 */
export async function layFirewall(
  docker: Docker,
  network: BuildNetwork,
  deny: readonly string[],
  { image, instance }: { image: string; instance: string },
): Promise<FirewallState> {
  try {
    await besideEngine(docker, network, { image, instance }, firewallScript(network.bridge, deny));
    return { inForce: true, message: `builds reach neither this host nor ${deny.join(', ')}` };
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim() || messageOf(error);
    return { inForce: false, message: `the firewall of the builds could not be laid (docs/operating.md): ${words}` };
  }
}

async function besideEngine(
  docker: Docker,
  network: BuildNetwork,
  helper: { image: string; instance: string },
  script: string,
): Promise<void> {
  const here = process.getuid?.() === 0 && existsSync(`/sys/class/net/${network.bridge}`);
  if (here) await exec('/bin/sh', ['-c', script]);
  else await onHost(docker, helper, script);
}

/**
 * Takes the network away and its rules with it; one that is not there is no error. Call when no container is in it any more.
 * In: as layFirewall. Errors: Fault DOCKER_UNAVAILABLE, also when somebody is in the network; what iptables says.
 */
export async function removeNetwork(
  docker: Docker,
  network: BuildNetwork,
  helper: { image: string; instance: string },
): Promise<void> {
  try {
    await docker.getNetwork(network.name).inspect();
  } catch (error) {
    if (statusOf(error) === 404) return;
    throw engineFault(error, `looking at the network ${network.name}`);
  }
  await besideEngine(docker, network, helper, liftScript(network.bridge)).catch((error: unknown) => {
    // without the image no rule was laid either
    if (statusOf(error) !== 404) throw error;
  });
  await docker
    .getNetwork(network.name)
    .remove()
    .catch((error: unknown) => {
      if (statusOf(error) !== 404) throw engineFault(error, `removing the network ${network.name}`);
    });
}

/** Where the host has no iptables, or no such rules, there is nothing to lift. */
function liftScript(bridge: string): string {
  const jump = (from: string, to: string): string =>
    `while iptables -w 5 -C ${from} -i ${bridge} -j ${to} 2>/dev/null; do iptables -w 5 -D ${from} -i ${bridge} -j ${to}; done`;
  const chain = (name: string): string =>
    `if iptables -w 5 -n -L ${name} >/dev/null 2>&1; then iptables -w 5 -F ${name}; iptables -w 5 -X ${name}; fi`;
  const { host, denied } = chainsOf(bridge);
  return [
    'set -e',
    'PATH=$PATH:/usr/sbin:/sbin',
    'command -v iptables >/dev/null || exit 0',
    jump('INPUT', host),
    jump('DOCKER-USER', denied),
    chain(host),
    chain(denied),
  ].join('\n');
}

function chainsOf(bridge: string): { host: string; denied: string } {
  return { host: `KILN-HOST-${bridge}`, denied: `KILN-DENY-${bridge}` };
}

/**
 * Two chains for this bridge, each put in its place whole (iptables-restore commits at once, so that no moment is without
 * rules), and one jump into each for what comes from the bridge.
 */
export function firewallScript(bridge: string, deny: readonly string[]): string {
  const { host, denied } = chainsOf(bridge);
  const table = [
    '*filter',
    `:${host} - [0:0]`,
    `-A ${host} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN`,
    `-A ${host} -j REJECT`,
    `:${denied} - [0:0]`,
    ...deny.filter((cidr) => /^[0-9.]+(\/[0-9]+)?$/.test(cidr)).map((cidr) => `-A ${denied} -d ${cidr} -j REJECT`),
    'COMMIT',
  ];
  const jump = (from: string, to: string): string =>
    `iptables -w 5 -C ${from} -i ${bridge} -j ${to} 2>/dev/null || iptables -w 5 -I ${from} 1 -i ${bridge} -j ${to}`;
  return [
    'set -e',
    'PATH=$PATH:/usr/sbin:/sbin',
    `iptables-restore -w 5 --noflush <<'RULES'\n${table.join('\n')}\nRULES`,
    jump('INPUT', host),
    jump('DOCKER-USER', denied),
  ].join('\n');
}

/** Runs a script of ours on the engine's host. The image is the operator's own, never one that a build chose. Errors: what iptables says. */
export async function onHost(
  docker: Docker,
  { image, instance }: { image: string; instance: string },
  script: string,
): Promise<void> {
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ['chroot', '/host', '/bin/sh', '-c', script],
    Cmd: [],
    User: '0:0',
    Labels: { [LABEL.instance]: instance, [LABEL.helper]: 'firewall' },
    HostConfig: {
      NetworkMode: 'host',
      CapDrop: ['ALL'],
      CapAdd: ['NET_ADMIN', 'NET_RAW', 'SYS_CHROOT', 'DAC_OVERRIDE'],
      SecurityOpt: ['no-new-privileges'],
      Binds: ['/:/host'],
    },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    if (StatusCode !== 0) {
      const words = (await container.logs({ stdout: true, stderr: true }))
        .toString('utf8')
        .replaceAll(/[^\x20-\x7e]+/g, ' ');
      throw new Error(`iptables on the engine's host ended with ${StatusCode}: ${words.trim()}`);
    }
  } finally {
    await container.remove({ force: true });
  }
}
