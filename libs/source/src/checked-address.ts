// Room: source. Which network addresses a source may come from: never link-local ones, where clouds keep their metadata and credentials.
import { lookup, type LookupAddress } from 'node:dns';
import { lookup as lookupAsync } from 'node:dns/promises';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { Refusal } from '#core/errors.js';

const REFUSED = new BlockList();
REFUSED.addSubnet('169.254.0.0', 16, 'ipv4');
REFUSED.addSubnet('0.0.0.0', 8, 'ipv4');
REFUSED.addSubnet('224.0.0.0', 4, 'ipv4');
REFUSED.addAddress('100.100.100.200', 'ipv4');
REFUSED.addAddress('168.63.129.16', 'ipv4');
REFUSED.addSubnet('fe80::', 10, 'ipv6');
REFUSED.addSubnet('ff00::', 8, 'ipv6');
REFUSED.addAddress('fd00:ec2::254', 'ipv6');
REFUSED.addAddress('fd20:ce::254', 'ipv6');
REFUSED.addAddress('::', 'ipv6');

/** Whether a source may be fetched from this IP address (link-local, metadata, multicast and unspecified ones: no). */
export function isAllowedAddress(address: string): boolean {
  if (!isIP(address)) return false;
  if (!isIPv6(address)) return !REFUSED.check(address, 'ipv4');
  const inner = embeddedIPv4(address);
  return !REFUSED.check(address, 'ipv6') && (inner === null || !REFUSED.check(inner, 'ipv4'));
}

/**
 * The addresses of a host, all checked.
 * Errors: Refusal SOURCE_NOT_ALLOWED when any is not allowed. A name that does not resolve gives none: whoever connects says so better.
 */
export async function allowedAddresses(host: string): Promise<string[]> {
  const found = isIP(host) ? [{ address: host }] : await lookupAsync(host, { all: true }).catch(() => []);
  for (const { address } of found) if (!isAllowedAddress(address)) throw refusedAddress(host, address);
  return found.map(({ address }) => address);
}

/** For node's http: resolves and checks in one step, so that the address that was checked is the one that is connected to. */
export const checkedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error) return callback(error, '', 0);
    const bad = addresses.find(({ address }) => !isAllowedAddress(address));
    if (bad) return callback(refusedAddress(hostname, bad.address), '', 0);
    if (options.all) return callback(null, addresses);
    callback(null, addresses[0]!.address, addresses[0]!.family);
  });
};

export function refusedAddress(host: string, address: string): Refusal {
  return new Refusal(
    'SOURCE_NOT_ALLOWED',
    `sources may not be fetched from ${host} (${address}): expected no link-local, metadata or multicast address`,
  );
}

/** The IPv4 address inside a mapped (::ffff:a.b.c.d) or NAT64 (64:ff9b::) one. */
function embeddedIPv4(address: string): string | null {
  const [head, tail] = new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1).split('::');
  if (tail === undefined || (head !== '' && head !== '64:ff9b')) return null;
  const words = tail.split(':');
  if (head === '' && !(words.length === 3 && words[0] === 'ffff') && words.length !== 2) return null;
  const [high, low] = words.slice(-2).map((word) => parseInt(word || '0', 16));
  if (high === undefined || low === undefined) return null;
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
