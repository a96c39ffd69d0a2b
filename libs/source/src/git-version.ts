// Room: source. Reads a source version (codebuild-contract C2: branch, tag, commit, pr/N, full ref, ref^{sha}) as what to ask the host for.
import { Refusal } from '#core/errors.js';
import type { SourceType } from '#core/project.js';

export type WantedVersion =
  /** The first of these refs that the host has; `abbreviation`: if it has none, perhaps this is the start of a commit id. */
  | { kind: 'refs'; refs: string[]; abbreviation?: string }
  /** This commit; with `ref`, a ref whose history it should be looked for in first. */
  | { kind: 'commit'; sha: string; ref?: string };

/** Shortest abbreviated commit id that is looked up. */
export const MIN_ABBREVIATION = 7;
const SHA = /^[0-9a-f]{40}$/i;
const EXPECTED = 'a branch, a tag, a commit id, pr/<number>, a full ref (refs/…), or ref^{commit id}';

/**
 * Reads a version. Absent or empty means the host's HEAD.
 * Errors: Refusal SOURCE_NOT_ALLOWED when it is none that git could know (options, control characters, revision arithmetic).
 */
export function parseVersion(version: string | undefined, type: SourceType): WantedVersion {
  if (version === undefined || version === '' || version === 'HEAD') return { kind: 'refs', refs: ['HEAD'] };
  if (SHA.test(version)) return { kind: 'commit', sha: version.toLowerCase() };
  const pinned = /^(.+)\^\{([0-9a-f]{40})\}$/i.exec(version);
  if (pinned) {
    const ref = checkedName(pinned[1]!);
    const full = ref.startsWith('refs/') || ref === 'HEAD' ? ref : `refs/heads/${ref}`;
    return { kind: 'commit', sha: pinned[2]!.toLowerCase(), ref: full };
  }
  const name = checkedName(version);
  if (name.startsWith('refs/')) return { kind: 'refs', refs: [name] };
  const named = [`refs/heads/${name}`, `refs/tags/${name}`];
  const pullRequest = /^pr\/([1-9][0-9]{0,9})$/.exec(name);
  if (pullRequest) return { kind: 'refs', refs: [...pullRequestRefs(pullRequest[1]!, type), ...named] };
  const abbreviation = new RegExp(`^[0-9a-f]{${MIN_ABBREVIATION},39}$`, 'i').test(name)
    ? name.toLowerCase()
    : undefined;
  return { kind: 'refs', refs: named, ...(abbreviation ? { abbreviation } : {}) };
}

/** Where hosts keep a request's head; the fitting one first. */
function pullRequestRefs(number: string, type: SourceType): string[] {
  const gitHub = `refs/pull/${number}/head`;
  const gitLab = `refs/merge-requests/${number}/head`;
  const bitbucket = `refs/pull-requests/${number}/from`;
  if (type === 'GITLAB' || type === 'GITLAB_SELF_MANAGED') return [gitLab, gitHub, bitbucket];
  if (type === 'BITBUCKET') return [bitbucket, gitHub, gitLab];
  return [gitHub, gitLab, bitbucket];
}

/** git's own rules for ref names (git check-ref-format), and no leading dash. */
function checkedName(name: string): string {
  const parts = name.split('/');
  const bad =
    name.length > 1_024 ||
    name.startsWith('-') ||
    /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{/.test(name) ||
    name === '@' ||
    name.endsWith('.') ||
    parts.some((part) => part === '' || part.startsWith('.') || part.endsWith('.lock'));
  if (!bad) return name;

  const got = name.replace(/[\u0000-\u001f\u007f]/g, '?').slice(0, 200);
  throw new Refusal('SOURCE_NOT_ALLOWED', `this source version is not allowed: ${got}; expected ${EXPECTED}`, {
    findings: [{ field: 'sourceVersion', expected: EXPECTED, got }],
  });
}
