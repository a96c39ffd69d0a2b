// Room: source. Reads the text of a source's secret (core/project SourceAuth) as a credential for git or for an archive's host.
import { PhaseFailure } from '#core/errors.js';
import type { SourceType } from '#core/project.js';

export type SourceCredential =
  | {
      kind: 'password';
      username: string;
      password: string;
      /** Only a token was given; the user name is a filler. */ isToken: boolean;
    }
  | { kind: 'ssh-key'; privateKey: string; knownHosts?: string };

const EXPECTED = '{"username","password"}, {"token"}, {"privateKey","knownHosts"?}, or a bare token';

/**
 * Reads a secret's text. The text itself never gets into an error.
 * Errors: PhaseFailure CLIENT_ERROR when it has none of the forms.
 */
export function parseCredential(text: string, reference: string, type: SourceType): SourceCredential {
  const trimmed = text.trim();
  if (trimmed.startsWith('-----BEGIN ')) return sshKey(trimmed, undefined);
  if (!trimmed.startsWith('{')) return token(trimmed, reference, type);
  let fields: unknown;
  try {
    fields = JSON.parse(trimmed);
  } catch {
    throw unfit(reference, 'it begins with { but is not JSON');
  }
  const { username, password, token: tokenText, privateKey, knownHosts } = fields as Record<string, unknown>;
  if (typeof privateKey === 'string')
    return sshKey(privateKey, typeof knownHosts === 'string' ? knownHosts : undefined);
  if (typeof tokenText === 'string') return token(tokenText, reference, type);
  if (typeof username === 'string' && typeof password === 'string') {
    return {
      kind: 'password',
      username: plain(username, reference),
      password: plain(password, reference),
      isToken: false,
    };
  }
  throw unfit(reference, 'it has none of these fields');
}

/** Every spelling of the credential that a message could carry. */
export function secretTexts(credential: SourceCredential | undefined): string[] {
  if (!credential) return [];
  if (credential.kind === 'ssh-key') return [credential.privateKey.trim()];
  const { username, password } = credential;
  const pair = Buffer.from(`${username}:${password}`).toString('base64');
  return [pair, password, encodeURIComponent(password)].filter((secret) => secret.length > 0);
}

function token(text: string, reference: string, type: SourceType): SourceCredential {
  if (text === '') throw unfit(reference, 'it is empty');
  return { kind: 'password', username: tokenUser(type), password: plain(text, reference), isToken: true };
}

/** The user name that each host wants beside a token; hosts that are not named here ignore it. */
function tokenUser(type: SourceType): string {
  if (type === 'GITLAB' || type === 'GITLAB_SELF_MANAGED') return 'oauth2';
  return type === 'BITBUCKET' ? 'x-token-auth' : 'x-access-token';
}

function sshKey(privateKey: string, knownHosts: string | undefined): SourceCredential {
  // OpenSSH refuses a key file without its last newline.
  const key = `${privateKey.replace(/\r\n/g, '\n').trimEnd()}\n`;
  return {
    kind: 'ssh-key',
    privateKey: key,
    ...(knownHosts === undefined ? {} : { knownHosts: `${knownHosts.trimEnd()}\n` }),
  };
}

/** A line break would let a credential write further lines into git's credential protocol. */
function plain(text: string, reference: string): string {
  if (/[\u0000-\u001f\u007f]/.test(text)) throw unfit(reference, 'it has a control character in it');
  return text;
}

function unfit(reference: string, why: string): PhaseFailure {
  return new PhaseFailure(
    'CLIENT_ERROR',
    `the secret ${reference} is no source credential: ${why}; expected ${EXPECTED}`,
  );
}
