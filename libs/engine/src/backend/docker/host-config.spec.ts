import { describe, expect, it } from '@jest/globals';
import { controlFilesIn } from '../spool/control-files.js';
import { containerOptions } from './host-config.js';
import { firewallScript } from './network.js';

const spec = {
  buildId: 'b',
  attempt: 2,
  workerId: 'w',
  projectName: 'p',
  image: { id: 'sha256:1', digest: 'd' },
  limits: { cpus: 4, memoryBytes: 1024, diskBytes: 1, pids: 7 },
  privileged: false,
};
const host = { instance: 'i', network: 'kilnyard', cpus: 2, files: controlFilesIn('/data/b-2') };

describe('the settings of a build container', () => {
  it('are the allow-list and nothing else', () => {
    const { HostConfig } = containerOptions(spec, host);
    expect(Object.keys(HostConfig!).sort()).toEqual([
      'CapAdd',
      'CapDrop',
      'IpcMode',
      'LogConfig',
      'Memory',
      'MemorySwap',
      'Mounts',
      'NanoCpus',
      'NetworkMode',
      'PidsLimit',
      'Privileged',
      'RestartPolicy',
      'SecurityOpt',
      'Tmpfs',
    ]);
    expect(HostConfig).toMatchObject({
      Privileged: false,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      NetworkMode: 'kilnyard',
      PidsLimit: 7,
      MemorySwap: 1024,
    });
    expect(HostConfig!.Mounts!.map(({ Source }) => Source)).toEqual(
      ['plan', 'stdout', 'output', 'events', 'workspace'].map((name) => `/data/b-2/${name}`),
    );
  });

  it('never ask for more CPUs than the engine has, which it would refuse', () => {
    expect(containerOptions(spec, host).HostConfig!.NanoCpus).toBe(2e9);
  });

  it('hold no variables: they travel in the script', () => {
    expect(containerOptions(spec, host).Env).toEqual([]);
  });

  it('name the container by build and attempt, so that a second one is refused', () => {
    expect(containerOptions(spec, host).name).toBe('kilnyard-b-2');
  });
});

describe('the firewall', () => {
  it('takes no words but addresses into its script', () => {
    const script = firewallScript('kilnyard-br0', ['169.254.0.0/16', '1.1.1.1; reboot', 'fd00:ec2::254/128']);
    expect(script).toContain('-d 169.254.0.0/16 -j REJECT');
    expect(script).not.toContain('reboot');
    expect(script).not.toContain('fd00');
  });
});
