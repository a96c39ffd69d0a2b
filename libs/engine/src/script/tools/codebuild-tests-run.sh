#!/bin/sh
# codebuild-tests-run --test-command CMD --files-search CMD [--sharding-strategy equal-distribution|stability]
# Runs this build's part of the tests (batch/build-fanout): the search prints all test files, one a line; those of the shard follow the test
# command, or stand in CODEBUILD_CURRENT_SHARD_FILES (one a line) where the command names that variable. Which shard it is tell
# CODEBUILD_SHARD_INDEX (from 0) and CODEBUILD_SHARD_COUNT; without them all files are this build's. The same files give the same parts.
# Status: the test command's; 2 for a mistake in the call; 1 when the search fails or finds nothing. POSIX sh with awk and sort.
k_fail() {
  echo "codebuild-tests-run: $2" >&2
  exit "$1"
}
k_test='' k_search='' k_strategy=equal-distribution
while [ "$#" -gt 0 ]; do
  case $1 in
    --*=*) k_name=${1%%=*} k_value=${1#*=} ;;
    --*) [ "$#" -gt 1 ] || k_fail 2 "$1 needs a value"; k_name=$1 k_value=$2; shift ;;
    *) k_fail 2 "expected an option, got $1" ;;
  esac
  case $k_name in
    --test-command) k_test=$k_value ;;
    --files-search) k_search=$k_value ;;
    --sharding-strategy) k_strategy=$k_value ;;
    *) k_fail 2 "unknown option $k_name; expected --test-command, --files-search or --sharding-strategy" ;;
  esac
  shift
done
while :; do case $k_test in *[[:space:]]) k_test=${k_test%?} ;; *) break ;; esac; done
[ -n "$k_test" ] || k_fail 2 'needs --test-command'
[ -n "$k_search" ] || k_fail 2 'needs --files-search'
case $k_strategy in
  equal-distribution | stability) ;;
  *) k_fail 2 "--sharding-strategy: expected equal-distribution or stability, got $k_strategy" ;;
esac
for k_program in awk sort; do
  command -v "$k_program" >/dev/null || k_fail 127 "needs the program $k_program, which this image does not have"
done
k_index=${CODEBUILD_SHARD_INDEX:-0} k_count=${CODEBUILD_SHARD_COUNT:-1}
k_all=$(sh -c "$k_search") || k_fail 1 "--files-search failed: $k_search"
k_all=$(printf '%s\n' "$k_all" | awk '{ sub(/\r$/, "") } $0 != ""' | LC_ALL=C sort -u)
[ -n "$k_all" ] || k_fail 1 "--files-search found no test files: $k_search"

# stability: each file goes to the shard for which its name and the shard's number hash highest, so that a file that comes or goes moves
# no other, and one shard more takes from all of the others their part alone.
CODEBUILD_CURRENT_SHARD_FILES=$(printf '%s\n' "$k_all" | LC_ALL=C awk -v index_="$k_index" -v count="$k_count" -v how="$k_strategy" '
function hash(text,    i, h) { h = 7; for (i = 1; i <= length(text); i++) h = (h * 131 + ord[substr(text, i, 1)]) % 2147483647; return h }
function weight(h, shard,    x) {
  x = (h + shard * 1000003) % 94906249
  x = (x * x + shard * 40503) % 2147483647 % 94906249
  return (x * x + h) % 2147483647
}
BEGIN { for (i = 1; i < 256; i++) ord[sprintf("%c", i)] = i }
{ files[NR] = $0 }
END {
  size = int(NR / count)
  more = NR % count
  from = index_ * size + (index_ < more ? index_ : more)
  to = from + size + (index_ < more ? 1 : 0)
  for (n = 1; n <= NR; n++) {
    if (how == "equal-distribution") { if (n > from && n <= to) print files[n]; continue }
    h = hash(files[n])
    best = 0
    for (s = 1; s < count; s++) if (weight(h, s) > weight(h, best)) best = s
    if (best == index_) print files[n]
  }
}')
export CODEBUILD_CURRENT_SHARD_FILES
set -f
IFS='
'
# shellcheck disable=SC2086 -- one word a line
set -- $k_all
k_total=$#
# shellcheck disable=SC2086 -- as above
set -- $CODEBUILD_CURRENT_SHARD_FILES
unset IFS
set +f
echo "codebuild-tests-run: shard $((k_index + 1)) of $k_count runs $# of $k_total test files ($k_strategy)"
[ "$#" -gt 0 ] || exit 0
case $k_test in
  *CODEBUILD_CURRENT_SHARD_FILES*) exec sh -c "$k_test" ;;
  *) exec sh -c "$k_test \"\$@\"" sh "$@" ;;
esac
