// Room: source. The surroundings that git runs in for one repository: a private folder, a fixed configuration, the credential in memory or 0600.
// Nothing of the worker's own git configuration, environment or agent gets in; the folder is gone when the session closes.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runGit } from './git-command.js';
import { secretTexts, type SourceCredential } from './git-credentials.js';
import type { GitLocation } from './git-location.js';

export interface GitSessionOptions {
  tempDir: string;
  location: GitLocation;
  credential: SourceCredential | undefined;
  insecureSsl: boolean;
  /** Where host keys that were accepted on first sight are kept. */
  knownHostsFile: string;
  /** Addresses of the host that were checked; git connects to these. Empty: git resolves by itself. */
  addresses: readonly string[];
  signal: AbortSignal;
}

export interface GitCall {
  cwd?: string;
  input?: string;
  onStderrLine?: (line: string) => void;
}

/** The only variables of the worker's that git may see: where programs lie and how to get out. */
const INHERITED = [
  'PATH',
  'http_proxy',
  'https_proxy',
  'HTTPS_PROXY',
  'no_proxy',
  'NO_PROXY',
  'all_proxy',
  'ALL_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];

/**
 * Hands the credential over in git's credential protocol. The text stays in the environment of git's own processes; argv, URL and files hold none.
 * Why not http.extraHeader: git sends such a header to whatever host it was redirected to; a helper is asked anew for each host.
 */
const HELPER = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$KILNYARD_GIT_USERNAME" "$KILNYARD_GIT_PASSWORD"; }; f`;

export class GitSession {
  private constructor(
    private readonly options: GitSessionOptions,
    private readonly folder: string,
  ) {}

  /** Makes the private folder with configuration and key. The caller closes it. */
  static async open(options: GitSessionOptions): Promise<GitSession> {
    await mkdir(options.tempDir, { recursive: true });
    const folder = await mkdtemp(join(options.tempDir, 'git-'));
    try {
      await chmod(folder, 0o700);
      await writeFile(join(folder, 'gitconfig'), configText(options), { mode: 0o600 });
      if (options.credential?.kind === 'ssh-key') {
        await writeFile(join(folder, 'key'), options.credential.privateKey, { mode: 0o600 });
        await writeFile(join(folder, 'known_hosts'), options.credential.knownHosts ?? '', { mode: 0o600 });
      }
      return new GitSession(options, folder);
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  }

  get location(): GitLocation {
    return this.options.location;
  }

  get secrets(): string[] {
    return secretTexts(this.options.credential);
  }

  /** Runs git where it may speak to the repository's host, with its credential. Errors: GitExit, the signal's reason. */
  remote(args: readonly string[], call: GitCall = {}): Promise<string> {
    const env = { ...this.plainEnv(), GIT_ALLOW_PROTOCOL: this.location.protocol, ...this.credentialEnv() };
    return runGit({ args, env, signal: this.options.signal, ...call });
  }

  /** Runs git on folders of ours only, without the credential. Errors: GitExit, the signal's reason. */
  local(args: readonly string[], call: GitCall = {}): Promise<string> {
    return runGit({
      args,
      env: { ...this.plainEnv(), GIT_ALLOW_PROTOCOL: 'file' },
      signal: this.options.signal,
      ...call,
    });
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private plainEnv(): Record<string, string> {
    const env: Record<string, string> = {};
    for (const name of INHERITED) if (process.env[name] !== undefined) env[name] = process.env[name];
    return {
      ...env,
      HOME: this.folder,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_SYSTEM: '/dev/null',
      GIT_CONFIG_GLOBAL: join(this.folder, 'gitconfig'),
      GIT_ATTR_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ASKPASS: '/bin/false',
      GIT_LFS_SKIP_SMUDGE: '1',
      GIT_OPTIONAL_LOCKS: '0',
      GIT_SSH_VARIANT: 'ssh',
    };
  }

  private credentialEnv(): Record<string, string> {
    const { credential, location } = this.options;
    if (location.protocol === 'ssh') return { GIT_SSH_COMMAND: this.sshCommand() };
    if (credential?.kind !== 'password') return {};
    return { KILNYARD_GIT_USERNAME: credential.username, KILNYARD_GIT_PASSWORD: credential.password };
  }

  /** git hands this one to a shell: every path in it is quoted. */
  private sshCommand(): string {
    const { credential, knownHostsFile } = this.options;
    const options = [
      '-F',
      '/dev/null',
      '-o',
      'BatchMode=yes',
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      'ConnectTimeout=30',
      '-o',
      'ServerAliveInterval=30',
    ];
    const own = credential?.kind === 'ssh-key' && credential.knownHosts !== undefined;
    const known = own ? join(this.folder, 'known_hosts') : knownHostsFile;
    options.push(
      '-o',
      `StrictHostKeyChecking=${own ? 'yes' : 'accept-new'}`,
      '-o',
      `UserKnownHostsFile="${known}"`,
      '-o',
      'GlobalKnownHostsFile=/dev/null',
    );
    options.push('-i', credential?.kind === 'ssh-key' ? join(this.folder, 'key') : '/dev/null');
    return ['ssh', ...options].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  }
}

/**
 * The configuration for every call. Objects are not fsck'ed on the way in (transfer.fsckObjects): old histories of honest repositories fail it,
 * and what it guards is guarded here: checkout refuses names like .git, and .gitmodules is read by us, not by git submodule.
 */
function configText({ location, credential, insecureSsl, addresses }: GitSessionOptions): string {
  const lines = [
    ['core', 'hooksPath', '/dev/null'],
    ['core', 'fsmonitor', 'false'],
    ['core', 'protectHFS', 'true'],
    ['core', 'protectNTFS', 'true'],
    ['protocol', 'allow', 'never'],
    [`protocol "${location.protocol}"`, 'allow', 'always'],
    ['protocol "file"', 'allow', 'always'],
    ['safe', 'directory', '*'],
    ['submodule', 'recurse', 'false'],
    ['fetch', 'recurseSubmodules', 'false'],
    ['gc', 'autoDetach', 'false'],
    ['maintenance', 'autoDetach', 'false'],
    ['init', 'defaultBranch', 'main'],
    ['advice', 'detachedHead', 'false'],
    ['http', 'followRedirects', 'false'],
    ['http', 'sslVerify', String(!insecureSsl)],
    ['http', 'lowSpeedLimit', '1'],
    ['http', 'lowSpeedTime', '300'],
    ['credential', 'helper', ''],
  ];
  if (credential?.kind === 'password') lines.push([`credential "${location.origin}"`, 'helper', HELPER]);
  if (addresses.length > 0)
    lines.push(['http', 'curloptResolve', `${location.host}:${portOf(location)}:${addresses.join(',')}`]);
  return lines
    .map(([section, key, value]) => `[${section}]\n\t${key} = "${value!.replace(/["\\]/g, '\\$&')}"\n`)
    .join('');
}

function portOf(location: GitLocation): string {
  return new URL(location.origin).port || (location.protocol === 'https' ? '443' : '80');
}
