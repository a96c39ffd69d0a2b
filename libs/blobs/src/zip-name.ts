// File names of a build as names in a zip, where a backslash may be taken for a folder and a letter with a colon for a drive.

/** In: a relative `/`-separated path. Out: the same; a backslash is `%5C`, the colon behind a single first letter `%3A`. */
export function nameInZip(path: string): string {
  return path.replaceAll('\\', '%5C').replace(/^([A-Za-z]):/, '$1%3A');
}
