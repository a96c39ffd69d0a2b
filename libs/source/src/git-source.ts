// Room: source. A Git source from location to files: check, ask the remote, mirror, copy, check out, submodules.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, PhaseFailure, messageOf } from '#core/errors.js';
import type { ProjectSource } from '#core/project.js';
import { allowedAddresses } from './checked-address.js';
import { FetchGuard, type SourceLimits } from './disk-limit.js';
import { GitExit } from './git-command.js';
import { copyAhead, isConfirmed } from './copy-ahead.js';
import { copyHistory, emptyRepository, writeFiles } from './git-checkout.js';
import { parseCredential, type SourceCredential } from './git-credentials.js';
import { cleanText, isCorruption, translateGitFailure } from './git-failure.js';
import { checkGitLocation, mirrorName, type GitLocation } from './git-location.js';
import { GitMirror, type Depth, type MirroredCommit } from './git-mirror.js';
import { askRemote, type RemoteRefs } from './git-remote.js';
import { GitSession } from './git-session.js';
import { fetchSubmodules } from './git-submodules.js';
import { parseVersion } from './git-version.js';
import type { FetchRequest, RepositoryFetch } from './fetch-request.js';
import { takeLock } from './mirror-lock.js';

export interface GitSourceOptions extends SourceLimits {
  mirrorsDir: string;
  tempDir: string;
  localPaths: readonly string[];
  secret: (reference: string) => Promise<string>;
}

/** Deeper than this is full history (codebuild-contract A5). */
export const MAX_SHALLOW_DEPTH = 25;

export class GitSource {
  constructor(private readonly options: GitSourceOptions) {}

  /**
   * Fetches and checks out a Git source. Out: the commit.
   * Errors: Refusal SOURCE_NOT_ALLOWED; PhaseFailure CLIENT_ERROR, SOURCE_FETCH_FAILED, SOURCE_TOO_LARGE; Fault STORAGE_FULL; the signal's reason.
   */
  async fetch({ source, version, into, say, signal }: FetchRequest): Promise<{ resolvedVersion: string }> {
    const location = await checkGitLocation(source.location, this.options.localPaths);
    const wanted = parseVersion(version, source.type);
    const credential = await this.credentialFor(source, location);
    const guard = new FetchGuard(location.shown, this.options, signal);
    guard.watch(into);
    const depth = depthOf(source.gitCloneDepth);
    try {
      const commit = await this.fetchRepository({
        ...{ location, credential, wanted, depth, into, source, guard, say },
        submodules: { level: 0, left: source.gitSubmodulesConfig?.fetchSubmodules ? undefined : 0 },
      });
      await guard.check();
      return { resolvedVersion: commit };
    } finally {
      guard.stop();
    }
  }

  /** Brings one repository into its folder, and its submodules after it. Out: the commit. */
  async fetchRepository(fetch: RepositoryFetch): Promise<string> {
    const { location, credential, guard, source } = fetch;
    const secrets: string[] = [];
    const proxied = ['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'].some(
      (name) => process.env[name],
    );
    // Behind a proxy names need not resolve here, and the proxy decides what may be reached.
    const checked = location.host !== '' && !proxied ? await allowedAddresses(location.host) : [];
    const addresses = location.protocol === 'ssh' ? [] : checked;
    await mkdir(this.options.mirrorsDir, { recursive: true });
    const session = await GitSession.open({
      ...{ tempDir: this.options.tempDir, location, credential, addresses, signal: guard.signal },
      insecureSsl: source.insecureSsl ?? false,
      knownHostsFile: join(this.options.mirrorsDir, 'known_hosts'),
    });
    try {
      secrets.push(...session.secrets);
      const found = await this.checkOut(session, fetch);
      await fetchSubmodules(session, found.commit, fetch, this.options.localPaths, (inner) =>
        this.fetchRepository(inner),
      );
      return found.commit;
    } catch (thrown) {
      if (guard.signal.aborted) throw guard.signal.reason;
      throw translateGitFailure(thrown, location.shown, secrets);
    } finally {
      await session.close();
    }
  }

  /** The commit's files and history in the build's folder. Out: the commit. */
  private async checkOut(session: GitSession, fetch: RepositoryFetch): Promise<MirroredCommit> {
    const { into, source, wanted, guard, say } = fetch;
    const [remote, copied] = await both(
      askRemote(session, wanted, source.insecureSsl ?? false, guard.signal),
      emptyRepository(session, into).then(() => copyAhead(session, this.mirrorOf(fetch), fetch)),
    ).catch(async (thrown: unknown) => {
      // the remote may have refused whom it was asked for: nothing of it is left here
      await emptyRepository(session, into).catch(() => undefined); // the fetch has failed already
      throw thrown;
    });
    if (copied !== null && isConfirmed(copied, remote, fetch)) {
      say(`Fetching ${fetch.location.shown} (full history)`);
      say('Nothing new to receive');
      say(`Checking out commit ${copied.commit}`);
      return copied;
    }
    await emptyRepository(session, into);
    const found = await this.throughMirror(session, remote, fetch);
    say(`Checking out commit ${found.commit}`);
    await writeFiles(session, found.commit, into);
    return found;
  }

  private mirrorOf({ location }: RepositoryFetch): string {
    return join(this.options.mirrorsDir, mirrorName(location));
  }

  /** Holds the mirror's lock while it is filled and copied from. A mirror that turns out damaged or overgrown is made anew, once. */
  private async throughMirror(
    session: GitSession,
    remote: RemoteRefs,
    fetch: RepositoryFetch,
  ): Promise<MirroredCommit> {
    const folder = this.mirrorOf(fetch);
    fetch.guard.watch(folder);
    const lock = await takeLock(`${folder}.lock`, fetch.guard.signal, () =>
      fetch.say('Waiting for another fetch of the same repository'),
    );
    try {
      const mirror = new GitMirror(folder, session, fetch.say, remote.url);
      const existed = await mirror.exists();
      try {
        return await this.fillAndCopy(session, mirror, remote, fetch);
      } catch (thrown) {
        if (!(await this.mayRetry(thrown, mirror, existed, fetch))) throw thrown;
        fetch.say('The local mirror was damaged or too large; fetching the repository anew');
        await mirror.remove();
        await emptyRepository(session, fetch.into);
        return await this.fillAndCopy(session, mirror, remote, fetch);
      }
    } finally {
      await lock.release();
    }
  }

  private async fillAndCopy(
    session: GitSession,
    mirror: GitMirror,
    remote: RemoteRefs,
    fetch: RepositoryFetch,
  ): Promise<MirroredCommit> {
    await mirror.open();
    fetch.say(`Fetching ${fetch.location.shown} (${fetch.depth === 'full' ? 'full history' : `depth ${fetch.depth}`})`);
    const found = await mirror.bring(fetch.wanted, remote.refs, fetch.depth);
    try {
      await copyHistory(session, mirror, found, fetch.into, fetch.depth);
    } catch (thrown) {
      // Both ends of the copy are folders of ours: unless the disk is full, it is the mirror that does not hold what it should.
      if (thrown instanceof GitExit && !/No space left|Disk quota/i.test(thrown.stderr))
        throw new DamagedMirror(thrown);
      throw thrown;
    }
    await fetch.guard.check();
    return found;
  }

  /** Cleans up after a failure. Out: whether a second try with a fresh mirror makes sense. */
  private async mayRetry(
    thrown: unknown,
    mirror: GitMirror,
    existed: boolean,
    fetch: RepositoryFetch,
  ): Promise<boolean> {
    const large = thrown instanceof PhaseFailure && thrown.code === 'SOURCE_TOO_LARGE';
    // What a first fetch left half done is worth nothing; an older mirror only loses git's lock files and half packs.
    if (!existed || large) await mirror.remove();
    else await mirror.clearLeftovers();
    if (!existed || fetch.guard.signal.aborted) return false;
    return large || thrown instanceof DamagedMirror || isCorruption(thrown);
  }

  private async credentialFor(source: ProjectSource, location: GitLocation): Promise<SourceCredential | undefined> {
    if (source.auth !== undefined) {
      const credential = parseCredential(
        await this.options.secret(source.auth.resource),
        source.auth.resource,
        source.type,
      );
      const fits = location.protocol === 'ssh' ? credential.kind === 'ssh-key' : credential.kind === 'password';
      if (location.protocol !== 'file' && !fits) {
        const expected = location.protocol === 'ssh' ? '{"privateKey"}' : '{"username","password"} or a token';
        throw new PhaseFailure(
          'CLIENT_ERROR',
          `the secret ${source.auth.resource} does not fit ${location.shown}; expected ${expected}`,
        );
      }
      return location.protocol === 'file' ? undefined : credential;
    }
    if (location.userinfo === undefined) return undefined;

    if (/[\u0000-\u001f\u007f]/.test(location.userinfo.username + location.userinfo.password)) {
      throw new PhaseFailure(
        'CLIENT_ERROR',
        `the credential in the location of ${location.shown} has a control character in it`,
      );
    }
    return { kind: 'password', ...location.userinfo, isToken: false };
  }
}

/** Out: what both give, when both have ended: nothing goes on behind an error. Errors: the first's, else the second's. */
async function both<T, U>(first: Promise<T>, second: Promise<U>): Promise<[T, U]> {
  const [one, other] = await Promise.allSettled([first, second]);
  if (one.status === 'rejected') throw one.reason;
  if (other.status === 'rejected') throw other.reason;
  return [one.value, other.value];
}

/** 0, absent and over 25 mean all history. */
export function depthOf(gitCloneDepth: number | undefined): Depth {
  return gitCloneDepth === undefined || gitCloneDepth <= 0 || gitCloneDepth > MAX_SHALLOW_DEPTH
    ? 'full'
    : gitCloneDepth;
}

/** The copy out of a mirror failed. Becomes a fault when it still does with a fresh mirror. */
class DamagedMirror extends Fault {
  constructor(cause: GitExit) {
    super('INTERNAL', `a local mirror could not be read: ${messageOf(cause)}: ${cleanText(cause.stderr, [])}`, {
      cause,
      retryable: true,
    });
  }
}
