#!/bin/sh
# codebuild-breakpoint: the command that runs it waits here until codebuild-resume is run in the same build, until the API is asked to
# resume it, or until the time is up. In a build without debugSessionEnabled it is passed over. POSIX sh with date and sleep.
# build-tools.ts fills in where the build's events are and how long a pause may take (0: this build does not pause).
K_EVENTS=@EVENTS@ K_SECONDS=@SECONDS@ K_MOST=@MOST@
k_tell() { echo "codebuild-breakpoint: $1"; }
if [ "$K_SECONDS" = 0 ]; then
  k_tell 'passed over, since the build was not started with debugSessionEnabled'
  exit 0
fi
for k_program in date sleep; do
  command -v "$k_program" >/dev/null || { echo "codebuild-breakpoint needs the program $k_program, which this image does not have" >&2; exit 127; }
done
K_NUMBER=1
while read -r k_kind k_rest; do [ "$k_kind" != pause ] || K_NUMBER=$((K_NUMBER + 1)); done <"$K_EVENTS"
if [ "$K_NUMBER" -gt "$K_MOST" ]; then
  k_tell "passed over, since the build was paused $K_MOST times before"
  exit 0
fi
# k_resumed: K_BY becomes who has told that this pause is over.
k_resumed() {
  while read -r k_kind k_number K_BY; do [ "$k_kind $k_number" != "resume $K_NUMBER" ] || return 0; done <"$K_EVENTS"
  return 1
}
k_since=$(date +%s)
k_until=$((k_since + K_SECONDS))
k_tell "the build is paused for at most $(((K_SECONDS + 59) / 60)) min. It goes on after ${0%/*}/codebuild-resume in its container, or POST /v1/builds/${CODEBUILD_BUILD_ID:-<id>}/resume"
printf 'pause %s %s\n' "$K_NUMBER" "$k_since" >>"$K_EVENTS" || exit 1
while ! k_resumed; do
  [ "$(date +%s)" -lt "$k_until" ] || printf 'resume %s limit\n' "$K_NUMBER" >>"$K_EVENTS" || exit 1
  sleep 1
done
case $K_BY in limit) k_tell 'the time is up, the build goes on' ;; *) k_tell 'the build goes on' ;; esac
