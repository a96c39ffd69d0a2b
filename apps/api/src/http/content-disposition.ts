// File names in headers (RFC 6266). A name comes from a build, so it may hold anything; a header may not.

const LONGEST = 200;

/**
 * In: a file's name, any characters. Out: a header value of visible ASCII alone: a plain fallback, and the true name percent-encoded beside it.
 */
export function contentDisposition(kind: 'attachment' | 'inline', fileName: string): string {
  const name = [...(fileName.split(/[\\/]/).pop() ?? '')].slice(0, LONGEST).join('') || 'download';
  const plain = name.replace(/[^A-Za-z0-9._ ()+@=~-]/g, '_');
  if (plain === name) return `${kind}; filename="${plain}"`;
  // The way through bytes replaces lone surrogates, which could not be encoded.
  const encoded = encodeURIComponent(Buffer.from(name).toString()).replace(
    /['()*!]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
