#!/bin/sh
# codebuild-glob-search '<glob>'...: prints the files below the working directory that match one of the patterns, one a line, in the order
# of their bytes. `*`, `?` and `[…]` stay within a folder, `**` goes across, `{a,b}` is either. Folders and what is in .git are left out.
# POSIX sh with find, awk and sort. No match is told on the error output, and is no failure.
if [ "$#" = 0 ]; then
  echo "usage: codebuild-glob-search '<glob>' ['<glob>' ...]" >&2
  exit 2
fi
for k_program in find awk sort; do
  command -v "$k_program" >/dev/null || { echo "codebuild-glob-search needs the program $k_program, which this image does not have" >&2; exit 127; }
done
LC_ALL=C
K_GLOBS=$(printf '%s\n' "$@")
export LC_ALL K_GLOBS
k_found=$(find . -name .git -prune -o -type f -print | awk '
function quoted(c) { return index("\\^$.|+()*?[]{}", c) ? "\\" c : c }
function regex(glob,    i, c, n, end, inside, depth, out) {
  sub(/^\.\//, "", glob)
  n = length(glob)
  depth = 0
  out = ""
  for (i = 1; i <= n; i++) {
    c = substr(glob, i, 1)
    if (c == "*" && substr(glob, i, 3) == "**/" && (i == 1 || substr(glob, i - 1, 1) == "/")) { out = out "(.*/)?"; i += 2 }
    else if (c == "*" && substr(glob, i, 2) == "**") { out = out ".*"; while (substr(glob, i + 1, 1) == "*") i++ }
    else if (c == "*") out = out "[^/]*"
    else if (c == "?") out = out "[^/]"
    else if (c == "[" && (end = index(substr(glob, i + 2), "]")) > 0) {
      inside = substr(glob, i + 1, end)
      if (substr(inside, 1, 1) == "!") inside = "^" substr(inside, 2)
      gsub(/\\/, "\\\\", inside)
      out = out "[" inside "]"
      i += end + 1
    }
    else if (c == "{" && index(substr(glob, i), "}") > 0) { out = out "("; depth++ }
    else if (c == "}" && depth > 0) { out = out ")"; depth-- }
    else if (c == "," && depth > 0) out = out "|"
    else if (c == "\\" && i < n) { i++; out = out quoted(substr(glob, i, 1)) }
    else out = out quoted(c)
  }
  return "^" out "$"
}
BEGIN { count = split(ENVIRON["K_GLOBS"], globs, "\n"); for (i = 1; i <= count; i++) if (globs[i] != "") all[i] = regex(globs[i]) }
{ path = substr($0, 3); for (i in all) if (path ~ all[i]) { print path; next } }
' | sort)
if [ -n "$k_found" ]; then printf '%s\n' "$k_found"; else echo 'No files found matching the given patterns.' >&2; fi
