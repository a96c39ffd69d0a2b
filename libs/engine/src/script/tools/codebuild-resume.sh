#!/bin/sh
# codebuild-resume: ends the pause that codebuild-breakpoint has begun in this build. POSIX sh. build-tools.ts fills in where the events are.
K_EVENTS=@EVENTS@ K_NUMBER=''
while read -r k_kind k_number k_rest; do
  case $k_kind in
    pause) K_NUMBER=$k_number ;;
    resume) [ "$k_number" != "$K_NUMBER" ] || K_NUMBER='' ;;
  esac
done <"$K_EVENTS"
if [ -z "$K_NUMBER" ]; then
  echo 'codebuild-resume: the build is not paused' >&2
  exit 1
fi
printf 'resume %s build\n' "$K_NUMBER" >>"$K_EVENTS"
