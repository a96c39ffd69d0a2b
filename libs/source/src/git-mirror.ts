// Room: source. The bare mirror of one repository: brings in what a build needs and nothing that is there already.
// Its caller holds the mirror's lock; refs lie flat under refs/kilnyard/<hash>, so that names of the remote never clash on disk.
import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PhaseFailure } from '#core/errors.js';
import { GitExit } from './git-command.js';
import type { GitSession } from './git-session.js';
import type { WantedVersion } from './git-version.js';

/** History wanted: this many commits, or all of it. */
export type Depth = number | 'full';

/** A commit that lies in the mirror. */
export interface MirroredCommit {
  commit: string;
  /** What the mirror's ref names: the commit, or a tag that leads to it. */
  tip: string;
  /** The mirror's ref that holds it. */
  mirrorRef: string;
  /** The remote's ref it was asked by; absent when it was asked by its id. */
  remoteRef?: string;
}

/** The time of this file in a mirror is what a sweep of unused mirrors goes by. */
export const LAST_USED = 'kilnyard-last-used';

const NOT_SERVED =
  /not our ref|unadvertised object|couldn't find remote ref|does not allow request|no such remote ref/i;

export class GitMirror {
  constructor(
    readonly folder: string,
    private readonly session: GitSession,
    private readonly say: (text: string) => void,
    /** Where the remote answers; another than the location's after a redirect. */
    private readonly url: string,
  ) {}

  async exists(): Promise<boolean> {
    return (await lstat(this.folder).catch(() => null)) !== null;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Makes the mirror where there is none, and clears what a killed git left behind. */
  async open(): Promise<void> {
    if (!(await this.exists())) {
      await mkdir(this.folder, { recursive: true });
      await this.session.local(['init', '--quiet', '--bare', '--template=', '--', this.folder]);
    }
    await this.clearLeftovers();
    await writeFile(join(this.folder, LAST_USED), '');
  }

  /** Removes lock files and half packs. Only while no git runs on the mirror. */
  async clearLeftovers(): Promise<void> {
    for (const name of await namesIn(this.folder))
      if (name.endsWith('.lock')) await rm(join(this.folder, name), { force: true });
    const pack = join(this.folder, 'objects', 'pack');
    for (const name of await namesIn(pack)) if (/^(tmp_|\.tmp)/.test(name)) await rm(join(pack, name), { force: true });
    const refs = join(this.folder, 'refs', 'kilnyard');
    for (const name of await namesIn(refs)) if (name.endsWith('.lock')) await rm(join(refs, name), { force: true });
  }

  /**
   * Brings in a version. Refs that the remote has were asked beforehand (`advertised`: name to object id), which also proved the right to read.
   * Errors: PhaseFailure CLIENT_ERROR when the remote has no such version; GitExit.
   */
  async bring(wanted: WantedVersion, advertised: ReadonlyMap<string, string>, depth: Depth): Promise<MirroredCommit> {
    if (wanted.kind === 'commit') return this.bringCommit(wanted.sha, depth, wanted.ref);
    for (const ref of wanted.refs) {
      const id = advertised.get(ref);
      if (id !== undefined) return this.bringRef(ref, id, depth);
    }
    const found = wanted.abbreviation === undefined ? null : await this.bringAbbreviation(wanted.abbreviation);
    if (found === null) throw this.missing(shortName(wanted.refs));
    return found;
  }

  /** The first of these refs of the remote that lies here, as it was brought last; null for none. */
  async held(remoteRefs: readonly string[]): Promise<MirroredCommit | null> {
    for (const remoteRef of remoteRefs) {
      const mirrorRef = flatRef(remoteRef);
      const [tip, commit] = await this.tipOf(mirrorRef);
      if (tip !== null && commit !== null) return { commit, tip, mirrorRef, remoteRef };
    }
    return null;
  }

  private async bringRef(remoteRef: string, id: string, depth: Depth): Promise<MirroredCommit> {
    const mirrorRef = flatRef(remoteRef);
    let [tip, commit] = await this.tipOf(mirrorRef);
    if ((await this.isShallow()) || tip !== id) {
      await this.fetch([`+${remoteRef}:${mirrorRef}`], depth);
      [tip, commit] = await this.tipOf(mirrorRef);
    }
    if (tip === null || commit === null) throw this.missing(remoteRef, 'it is not a commit');
    return { commit, tip, mirrorRef, remoteRef };
  }

  /** What a ref of the mirror names, and the commit that it leads to; null for what is not there. One process for both. */
  private async tipOf(mirrorRef: string): Promise<[string | null, string | null]> {
    const answer = await this.session.local(['cat-file', '--batch-check=%(objectname)'], {
      cwd: this.folder,
      input: `${mirrorRef}\n${mirrorRef}^{commit}\n`,
    });
    const [tip = '', commit = ''] = answer.split('\n').map((line) => (/^[0-9a-f]{40,64}$/.test(line) ? line : ''));
    return [tip || null, commit || null];
  }

  private async bringCommit(sha: string, depth: Depth, ref: string | undefined): Promise<MirroredCommit> {
    const mirrorRef = flatRef(sha);
    if (!(await this.isShallow()) && (await this.holdsWhole(sha))) {
      await this.session.local(['update-ref', mirrorRef, sha], { cwd: this.folder });
      return { commit: sha, tip: sha, mirrorRef };
    }
    try {
      await this.fetch([`+${sha}:${mirrorRef}`], depth);
    } catch (thrown) {
      if (!(thrown instanceof GitExit) || !NOT_SERVED.test(thrown.stderr)) throw thrown;
      this.say('The host does not serve this commit by its id; fetching branches and tags to look for it');
      await this.bringAll(ref);
      if (!(await this.holdsWhole(sha))) throw this.missing(sha);
      await this.session.local(['update-ref', mirrorRef, sha], { cwd: this.folder });
    }
    if ((await this.idOf(`${mirrorRef}^{commit}`)) !== sha) throw this.missing(sha, 'it is not a commit');
    return { commit: sha, tip: sha, mirrorRef };
  }

  /** The whole of branches and tags comes in: hosts do not resolve abbreviations. */
  private async bringAbbreviation(abbreviation: string): Promise<MirroredCommit | null> {
    await this.bringAll(undefined);
    const ids = (await this.session.local(['rev-parse', `--disambiguate=${abbreviation}`], { cwd: this.folder }))
      .split('\n')
      .filter(Boolean);
    const commits: string[] = [];
    for (const id of ids) {
      if ((await this.session.local(['cat-file', '-t', id], { cwd: this.folder })).trim() === 'commit')
        commits.push(id);
    }
    if (commits.length > 1)
      throw this.missing(abbreviation, `${commits.length} commits begin with it; expected more of its digits`);
    return commits[0] === undefined ? null : this.bringCommit(commits[0], 'full', undefined);
  }

  private async bringAll(ref: string | undefined): Promise<void> {
    const extra = ref === undefined || /^refs\/(heads|tags)\//.test(ref) ? [] : [`+${ref}:${flatRef(ref)}`];
    const specs = ['+refs/heads/*:refs/kilnyard-heads/*', '+refs/tags/*:refs/kilnyard-tags/*', ...extra];
    await this.fetch(specs, 'full', ['--prune', '--no-tags']);
  }

  private async fetch(refspecs: string[], depth: Depth, options: string[] = []): Promise<void> {
    const shallow = await this.isShallow();
    const args = ['fetch', '--progress', '--force', '--no-write-fetch-head', '--update-shallow', ...options];
    if (depth === 'full') {
      if (shallow) args.push('--unshallow');
    } else {
      // A mirror that has all history keeps it: cutting it to this build's depth would make the next full build fetch it again.
      if (shallow || (await this.isEmpty())) args.push(`--depth=${depth}`);
      if (!options.includes('--no-tags')) args.push('--no-tags');
    }
    let received = '';
    const onStderrLine = (line: string): void => {
      const match = /^Receiving objects: 100% \(\d+\/(\d+)\)(?:, ([\d.]+ [KMG]?i?B|\d+ bytes))?/.exec(line);
      if (match) received = `Received ${match[1]} objects${match[2] ? `, ${match[2]}` : ''}`;
    };
    await this.session.remote([...args, '--', this.url, ...refspecs], { cwd: this.folder, onStderrLine });
    this.say(received || 'Nothing new to receive');
  }

  async isShallow(): Promise<boolean> {
    const info = await stat(join(this.folder, 'shallow')).catch(() => null);
    return info !== null && info.size > 0;
  }

  private async isEmpty(): Promise<boolean> {
    return (await this.session.local(['for-each-ref', '--count=1'], { cwd: this.folder })) === '';
  }

  /** Whether the commit is in the history of something that was fetched whole; an object alone proves nothing about what it points at. */
  private async holdsWhole(sha: string): Promise<boolean> {
    if ((await this.idOf(`${sha}^{commit}`)) !== sha) return false;
    return (await this.session.local(['for-each-ref', '--count=1', '--contains', sha], { cwd: this.folder })) !== '';
  }

  private async idOf(revision: string): Promise<string | null> {
    try {
      return (
        await this.session.local(['rev-parse', '--quiet', '--verify', '--end-of-options', revision], {
          cwd: this.folder,
        })
      ).trim();
    } catch (thrown) {
      if (thrown instanceof GitExit && thrown.exitCode === 1) return null;
      if (
        thrown instanceof GitExit &&
        /Needed a single revision|bad revision|expected commit type/i.test(thrown.stderr)
      )
        return null;
      throw thrown;
    }
  }

  private missing(
    version: string,
    why = 'the repository has no such branch, tag, commit or pull request',
  ): PhaseFailure {
    return new PhaseFailure(
      'CLIENT_ERROR',
      `source version ${version} was not found in ${this.session.location.shown}: ${why}`,
    );
  }
}

function flatRef(name: string): string {
  return `refs/kilnyard/${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}

/** What the user wrote, from the refs that were tried for it. */
function shortName(refs: readonly string[]): string {
  return refs.length === 1 ? refs[0]! : refs.at(-1)!.replace(/^refs\/tags\//, '');
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
