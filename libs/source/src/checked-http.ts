// Room: source. GET over http(s) that follows few redirects, checks every address, and gives the credential to one origin only.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { PhaseFailure, Refusal, messageOf } from '#core/errors.js';
import { checkedLookup, isAllowedAddress, refusedAddress } from './checked-address.js';

export const MAX_REDIRECTS = 5;
/** No byte for this long: the connection is given up. */
const IDLE_MS = 60_000;

export interface CheckedGet {
  url: URL;
  /** Value of the Authorization header; sent to the first URL's origin only. */
  authorization?: string;
  insecureSsl: boolean;
  signal: AbortSignal;
}

export interface CheckedAnswer {
  /** Where the answer came from in the end. */
  url: URL;
  /** Unread, of any status that is no redirect. The caller reads or destroys it. */
  body: IncomingMessage;
}

/**
 * Gets a URL. Out: the first answer that is no redirect.
 * Errors: Refusal SOURCE_NOT_ALLOWED (address, protocol), PhaseFailure SOURCE_FETCH_FAILED (connection, too many redirects), the signal's reason.
 * Messages hold no query and no userinfo.
 */
export async function checkedGet(get: CheckedGet): Promise<CheckedAnswer> {
  let url = get.url;
  for (let redirects = 0; ; redirects += 1) {
    const authorization = url.origin === get.url.origin ? get.authorization : undefined;
    const body = await ask(url, authorization, get);
    const next = body.headers.location;
    if (![301, 302, 303, 307, 308].includes(body.statusCode ?? 0) || next === undefined) return { url, body };
    body.destroy();
    if (redirects >= MAX_REDIRECTS) {
      throw new PhaseFailure('SOURCE_FETCH_FAILED', `${shownUrl(get.url)} redirected more than ${MAX_REDIRECTS} times`);
    }
    url = redirected(url, next);
  }
}

/** A URL as people may read it: signed queries and userinfo are credentials. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function redirected(from: URL, to: string): URL {
  let url: URL;
  try {
    url = new URL(to, from);
  } catch (cause) {
    throw new PhaseFailure('SOURCE_FETCH_FAILED', `${shownUrl(from)} redirected to something that is not a URL`, {
      cause,
    });
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && from.protocol === 'http:')) {
    throw new Refusal(
      'SOURCE_NOT_ALLOWED',
      `${shownUrl(from)} redirected to ${url.protocol}//${url.host}; expected https, or http from http`,
    );
  }
  return url;
}

function ask(
  url: URL,
  authorization: string | undefined,
  { insecureSsl, signal }: CheckedGet,
): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // node asks no lookup function about a literal address.
  if (isIP(host) && !isAllowedAddress(host)) return Promise.reject(refusedAddress(host, host));
  const headers = { 'user-agent': 'kilnyard', accept: '*/*', ...(authorization ? { authorization } : {}) };
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return new Promise((resolve, reject) => {
    const options = { headers, signal, lookup: checkedLookup, timeout: IDLE_MS, agent: false } as const;
    const request =
      url.protocol === 'https:'
        ? httpsRequest(bare, { ...options, rejectUnauthorized: !insecureSsl }, resolve)
        : httpRequest(bare, options, resolve);
    request.once('timeout', () => request.destroy(new Error(`no answer for ${IDLE_MS} ms`)));
    request.once('error', (cause) => {
      if (signal.aborted) reject(signal.reason as Error);
      else if (cause instanceof Refusal) reject(cause);
      else
        reject(
          new PhaseFailure('SOURCE_FETCH_FAILED', `fetching ${shownUrl(url)} failed: ${messageOf(cause)}`, { cause }),
        );
    });
    request.end();
  });
}
