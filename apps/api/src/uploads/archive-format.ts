// Tells what an archive is by its first bytes; the name and the declared type are only what someone says.

export const ARCHIVE_FORMATS = ['zip', 'tar.gz'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];

/** As many bytes as the decision needs. */
export const MAGIC_BYTES = 4;

/** In: the first bytes. Out: the format, or null when it is neither. */
export function archiveFormat(head: Buffer): ArchiveFormat | null {
  if (head.length >= 3 && head[0] === 0x1f && head[1] === 0x8b && head[2] === 8) return 'tar.gz';
  if (head.length >= 4 && head[0] === 0x50 && head[1] === 0x4b && (head[2] === 3 || head[2] === 5)) return 'zip';
  return null;
}
