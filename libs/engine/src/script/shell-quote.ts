// Text to one word of POSIX shell.

/** Single-quotes any text, newlines and quotes included. Errors: RangeError for a NUL, which no shell can hold. */
export function shellQuote(text: string): string {
  if (text.includes('\0')) throw new RangeError('a NUL byte cannot stand in a shell word');
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

/**
 * Text as a here-document's word, in which variables and `$(…)` still work and quotes stand for themselves, as CodeBuild
 * evaluates artifact names and paths (codebuild-contract C5).
 */
export function shellExpansion(text: string): string {
  if (text.includes('\0')) throw new RangeError('a NUL byte cannot stand in a shell word');
  return `$(cat <<K_END_OF_TEXT\n${text}\nK_END_OF_TEXT\n)`;
}
