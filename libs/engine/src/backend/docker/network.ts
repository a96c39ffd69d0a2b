// The builds' own network: a bridge on which containers cannot speak to each other, with rules that close the way to the host
// and to the addresses that the operator denies (the metadata address first).
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { messageOf } from '#core/errors.js';
import { engineFault, statusOf } from './engine-errors.js';

const exec = promisify(execFile);

export interface BuildNetwork {
  name: string;
  /** The bridge's interface: at most 15 characters. */
  bridge: string;
}

export function buildNetwork(name: string): BuildNetwork {
  return { name, bridge: `${name.replaceAll(/[^a-z0-9]/gi, '').slice(0, 10)}-br0` };
}

/** Makes the network when it is missing. Errors: Fault DOCKER_UNAVAILABLE; also when a network of that name is not ours. */
export async function ensureNetwork(docker: Docker, network: BuildNetwork): Promise<void> {
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
      Labels: { 'kilnyard.network': 'builds' },
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

const HOST_CHAIN = 'KILNYARD-HOST';
const DENY_CHAIN = 'KILNYARD-DENY';

/**
 * Lays the rules for the bridge; laying them again changes nothing. Never throws: what is not in force is told, and a worker
 * reports itself degraded.
 * In: CIDRs that no build may reach (IPv4 ones count here, the bridge has no IPv6).
 */
export async function layFirewall(network: BuildNetwork, deny: readonly string[]): Promise<FirewallState> {
  if (!existsSync(`/sys/class/net/${network.bridge}`)) {
    return {
      inForce: false,
      message: `the bridge ${network.bridge} is not in this process's network namespace; run the firewall where the engine runs (docs/operating.md)`,
    };
  }
  try {
    await chain(HOST_CHAIN, 'INPUT', network.bridge, [
      ['-m', 'conntrack', '--ctstate', 'ESTABLISHED,RELATED', '-j', 'RETURN'],
      ['-j', 'REJECT'],
    ]);
    await chain(
      DENY_CHAIN,
      'DOCKER-USER',
      network.bridge,
      deny.filter((cidr) => !cidr.includes(':')).map((cidr) => ['-d', cidr, '-j', 'REJECT']),
    );
    return { inForce: true, message: `builds reach neither this host nor ${deny.join(', ')}` };
  } catch (error) {
    return { inForce: false, message: `the firewall could not be laid: ${messageOf(error)}` };
  }
}

/** A chain of its own, filled anew, and one jump into it for what comes from the bridge. */
async function chain(name: string, from: string, bridge: string, rules: string[][]): Promise<void> {
  await iptables('-N', name).catch(() => undefined); // it is there already; a real failure shows in the next line
  await iptables('-F', name);
  for (const rule of rules) await iptables('-A', name, ...rule);
  const jump = ['-i', bridge, '-j', name];
  const present = await iptables('-C', from, ...jump).then(
    () => true,
    () => false,
  );
  if (!present) await iptables('-I', from, '1', ...jump);
}

async function iptables(...args: string[]): Promise<void> {
  await exec('iptables', ['--wait', '5', ...args]);
}
