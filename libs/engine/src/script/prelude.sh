# The fixed part of the script that runs inside a build's container, in POSIX sh (dash, busybox ash, bash).
# write-script.ts sets K, R, T, SRC, SH and CARRY before it and puts the plan behind it; docs/build-lifecycle.md tells what it promises.
#   K  control folder, made by the worker: stdout (FIFO), output (spool), events (file)
#   T  tmpfs: the command's script and the environment that is carried from command to command
#   SH shell of the user's commands; CARRY 1 when variables and folder are carried on (buildspec version 0.2)
# Nothing runs before the whole script has arrived: all of it stands in one function that the last line calls.
K_OK=1 K_LAST=0 K_KILLS=0 K_OWNER='' K_CUT='' K_WAS=-
# k_now: k_t becomes "<epoch seconds>.<fraction> <YYYY/MM/DD HH:MM:SS.ffffff>". The clock is asked once in a while (a fork and a program), and
# in between the kernel's uptime tells how far it went, to 10 ms, which the shell reads by itself. K_UP, K_AT: uptime and epoch when the
# clock was asked, K_OF: of its day, all in hundredths; K_DAY: the day.
k_ask() {
  k_a=$(date -u '+%s:1%H:1%M:1%S:%Y/%m/%d:%N')
  k_n=${k_a##*:} k_a=${k_a%:*}
  case $k_n in *[!0-9]* | '') k_n=0 ;; *) k_n=1${k_n%???????} k_n=$((k_n - 100)) ;; esac
  K_DAY=${k_a##*:} k_a=${k_a%:*}
  K_AT=$((${k_a%%:*} * 100 + k_n)) k_a=${k_a#*:}
  K_OF=$((((${k_a%%:*} - 100) * 3600 + (${k_a##*:} - 100)) * 100 + k_n)) k_a=${k_a#*:}
  K_OF=$((K_OF + (${k_a%%:*} - 100) * 6000))
}
k_now() {
  k_up=
  read -r k_up k_x 2>/dev/null </proc/uptime
  case $k_up in *.[0-9][0-9]) k_f=1${k_up#*.} k_up=$((${k_up%.*} * 100 + k_f - 100)) k_d=$((k_up - K_UP)) ;; *) k_d=-1 ;; esac
  if [ "$k_d" -lt 0 ] || [ "$k_d" -gt 3000 ] || [ $((K_OF + k_d)) -ge 8640000 ]; then
    k_ask
    K_UP=${k_up:-0} k_d=0
  fi
  k_c=$((K_OF + k_d)) k_e=$((K_AT + k_d))
  k_h=$((k_c / 360000 + 100)) k_m=$((k_c / 6000 % 60 + 100)) k_s=$((k_c / 100 % 60 + 100)) k_f=$((k_c % 100 + 100))
  k_t="$((k_e / 100)).${k_f#1}0000 $K_DAY ${k_h#1}:${k_m#1}:${k_s#1}.${k_f#1}0000"
}
K_UP=99999999999 K_OF=0 K_AT=0 K_DAY=
k_say() { k_now; printf '\036[Container] %s %s\n' "${k_t#* }" "$1"; }
k_event() { printf '%s %s\n' "$1" "$2" >>"$K/events"; }

# All output goes through a FIFO into the spool. Straight into the file, a user's `> /dev/stderr` would empty it.
# A command that signals its process group (`kill 0`) means its own processes: the pump, which is in that group too, does not hear it.
k_pump() {
  (trap '' HUP INT QUIT TERM USR1 USR2 ALRM && exec cat <"$K/stdout" >>"$K/output") &
  K_PUMP=$!
  exec >"$K/stdout" 2>&1 </dev/null
}

# k_pumped: tells when the pump has ended before its time: its disk is full, or the build killed it. Nothing is stored then.
k_pumped() {
  [ -z "$K_CUT" ] || return 0
  if read -r k_line 2>/dev/null <"/proc/$K_PUMP/stat"; then
    case $k_line in *') Z '*) ;; *) return 0 ;; esac
  fi
  wait "$K_PUMP" 2>/dev/null
  K_CUT=$?
  k_event pump "$K_CUT"
}

# Kills everything that still runs but the pump, which then sees the end of the output and stores the rest.
# The list of processes is $K_PROC, so that a run without a PID namespace of its own can leave it empty.
k_end() {
  exec >/dev/null 2>&1
  k_round=0
  while [ "$k_round" -lt 50 ]; do
    k_left=
    for k_p in $K_PROC; do
      k_p=${k_p#/proc/}
      case $k_p in 1 | $$ | "$K_PUMP" | '[0-9]*') continue ;; esac
      kill -9 "$k_p" 2>/dev/null && k_left=1
    done
    [ -n "$k_left" ] || break
    k_round=$((k_round + 1))
  done
  wait "$K_PUMP" || { K_PUMPED=$?; [ -n "$K_CUT" ] || k_event pump "$K_PUMPED"; }
  k_event end "$1"
}

# k_run TEXT USER: one command in a shell of its own. Out: K_CODE; K_NOT when it could not be run: why.
# The text is on lines of its own, also where it ends with a backslash.
k_run() {
  K_NOT=
  if [ -n "$2" ]; then
    k_can_be "$2" || return 0
  fi
  { printf '. %s/restore.sh\n\n\n%s\n\n' "$T" "$1"; [ "$CARRY" = 0 ] || printf '%s' "$K_TAIL"; } >"$T/script.sh"
  printf 'export CODEBUILD_LAST_EXIT=%s CODEBUILD_BUILD_SUCCEEDING=%s\n' "$K_LAST" "$K_OK" >"$T/flags.sh"
  # a HOME that a command has set stays until another user comes
  if [ -n "$K_USERS" ] && [ "$CARRY $2" != "1 $K_WAS" ]; then
    K_WAS=$2
    eval "k_home=~${2:-root}"
    [ -n "$2" ] || [ "$k_home" != '~root' ] || k_home=/root
    printf "export HOME='%s'\n" "$k_home" >>"$T/flags.sh"
  fi
  if [ -n "$2" ]; then
    k_own "$2"
    chmod 0666 "$T/env.sh"
    su -s /bin/sh "$2" -c "exec $K_CLEAN $SH $T/script.sh" </dev/null
  else
    $K_CLEAN "$SH" "$T/script.sh" </dev/null
  fi
  K_CODE=$?
  K_LAST=$K_CODE
  if [ -f "$T/env.ok" ]; then mv -f "$T/env.new" "$T/env.sh"; rm -f "$T/env.ok"; fi
}

# k_can_be USER: status 0 when commands can be run as that user.
k_can_be() {
  eval "k_home=~$1"
  [ "$k_home" != "~$1" ] || K_NOT=no-user
  command -v su >/dev/null || K_NOT=no-su
  [ -n "$K_NOT" ] || return 0
  K_CODE=1
  K_LAST=1
  return 1
}

# k_oom: has the kernel killed a process of this container for want of memory since it was last asked? (control groups v2, v1)
k_oom() {
  k_kills=0
  for k_file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$k_file" ] || continue
    while read -r k_name k_count; do [ "$k_name" != oom_kill ] || k_kills=$k_count; done <"$k_file"
  done
  [ "$k_kills" -gt "$K_KILLS" ] || return 1
  K_KILLS=$k_kills
}

# k_own USER: gives the source to the user of the next command; root may write to it all the same.
k_own() {
  [ "$1" != "$K_OWNER" ] || return 0
  K_OWNER=$1
  chown -R "$1" "$SRC" || k_say "The source could not be given to the user $1"
}

# k_command LIST INDEX USER TEXT: runs it unless an earlier one of its list failed.
k_command() {
  [ -z "$K_STOP" ] || return 0
  k_say "Running command $4"
  k_run "$4" "$3"
  [ "$K_CODE" != 0 ] || return 0
  K_STOP=1
  K_OK=0
  k_why="exit status $K_CODE" k_note=
  case $K_NOT in
    no-user) k_why="run-as names the user $3, whom this image does not have" k_note=' no-user' ;;
    no-su) k_why="run-as needs the program su, which this image does not have" k_note=' no-su' ;;
  esac
  if [ -z "$K_NOT" ] && k_oom; then k_why="$k_why (the build container ran out of memory)" k_note=' oom'; fi
  k_say "Command did not exit successfully $4 $k_why"
  [ -z "$K_WHY" ] || return 0
  K_FAILED="$1 $2 $K_CODE$k_note"
  K_WHY="Error while executing command: $4. Reason: $k_why"
}

k_phase_begin() {
  K_PHASE=$1 K_STOP='' K_FAILED='' K_WHY=''
  k_now
  k_event begin "$1 ${k_t%% *}"
  printf '\036[Container] %s Entering phase %s\n' "${k_t#* }" "$1"
}

# Out: status 0 when the phase went well.
k_phase_end() {
  k_now
  k_state=SUCCEEDED k_code=''
  [ -z "$K_WHY" ] || k_state=FAILED k_code=COMMAND_EXECUTION_ERROR
  printf '\036[Container] %s Phase complete: %s State: %s\n' "${k_t#* }" "$K_PHASE" "$k_state"
  printf '\036[Container] %s Phase context status code: %s Message: %s\n' "${k_t#* }" "$k_code" "$K_WHY"
  k_pumped
  k_event finish "$K_PHASE $k_state ${k_t%% *} $K_FAILED"
  [ "$k_state" = SUCCEEDED ]
}

# k_prepare RESTORE TAIL VARIABLES: the files in T. The first command starts from the image's environment with VARIABLES
# (lines of `export NAME='value'`) over it; this shell itself never takes them in, so that a PATH among them cannot break it.
k_prepare() {
  umask 022
  [ -z "$K_USERS" ] || chmod 0777 "$T"
  k_oom || :
  K_CLEAN=
  k_env=$(command -v env) && K_CLEAN="$k_env -i"
  printf "__k_t='%s' __k_src='%s'\n%s" "$T" "$SRC" "$1" >"$T/restore.sh"
  [ "$CARRY" = 1 ] || printf 'trap - EXIT\n' >>"$T/restore.sh"
  K_TAIL=$2
  { export -p; printf "%s\nPWD='%s'\n" "$3" "$SRC"; } >"$T/env.sh"
}
