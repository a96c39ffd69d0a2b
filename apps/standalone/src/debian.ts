// Installing Debian and Ubuntu packages, and asking apt where this machine gets them from.
import { run, type Machine } from './machine.js';
import { SetupError, type Say } from './say.js';

let listsAreFresh = false;

/**
 * Installs packages with apt-get (no recommended ones), fetching the package lists first once per run.
 * In: `why` completes "… is missing" for the person who must install them by hand.
 * Errors: SetupError with the command to type, where we may not install, or with apt's last lines.
 */
export async function install(machine: Machine, packages: readonly string[], why: string, say: Say): Promise<void> {
  if (!machine.mayInstall) {
    throw new SetupError(
      `${why}, and it can only be installed from here as root on Debian or Ubuntu.\n` +
        `Install it and start again, for instance: sudo apt-get install ${packages.join(' ')}`,
    );
  }
  say(`installing ${packages.join(', ')}`);
  if (!listsAreFresh) await apt(['update', '-qq'], packages);
  listsAreFresh = true;
  await apt(['install', '-y', '-qq', '--no-install-recommends', ...packages], packages);
}

async function apt(args: readonly string[], packages: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const waitForLock = ['-o', 'DPkg::Lock::Timeout=120'];
  const { exitCode, output } = await run('apt-get', [...waitForLock, ...args], { env, timeoutMs: 600_000 });
  if (exitCode === 0) return;
  const last = output.split('\n').slice(-8).join('\n');
  throw new SetupError(
    `apt-get ${args[0]} failed (exit ${exitCode}) while installing ${packages.join(', ')}:\n${last}`,
  );
}

/** One place that apt gets packages from. */
export interface AptSource {
  site: string;
  release: string;
  component: string;
}

/**
 * The distribution's own sources of this machine (not third parties'), in apt's order.
 * Out: empty where apt is not there or knows none.
 */
export async function aptSources(machine: Machine): Promise<AptSource[]> {
  const format = '$(ORIGIN)\t$(SITE)\t$(RELEASE)\t$(COMPONENT)\t$(CREATED_BY)';
  const { exitCode, output } = await run('apt-get', ['indextargets', '--format', format], { timeoutMs: 60_000 });
  return exitCode === 0 ? parseAptSources(output, machine) : [];
}

/** Reads the lines that `aptSources` asks for; keeps each binary source of the running release once. */
export function parseAptSources(text: string, machine: Pick<Machine, 'codename'>): AptSource[] {
  const seen = new Map<string, AptSource>();
  for (const line of text.split('\n')) {
    const [origin = '', site = '', release = '', component = '', kind = ''] = line.split('\t');
    const own = origin === 'Debian' || origin === 'Ubuntu';
    const fits = release === machine.codename || release.startsWith(`${machine.codename}-`);
    if (kind !== 'Packages' || !own || !fits || !/^(https?|file):/.test(site)) continue;
    seen.set([site, release, component].join(' '), { site, release, component });
  }
  return [...seen.values()];
}
