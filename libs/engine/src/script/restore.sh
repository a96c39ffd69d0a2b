__k_ppid=$PPID
. "$__k_t/env.sh" 2>/dev/null
[ -n "${BASH_VERSION-}" ] || PPID=$__k_ppid
. "$__k_t/flags.sh"
__k_old=${OLDPWD-}
cd "$PWD" 2>/dev/null || { printf '%s\n' "The folder $PWD is gone; going on in $__k_src" >&2; cd "$__k_src"; }
OLDPWD=$__k_old
__k_saved=
__k_save() {
  __k_saved=1
  if [ -n "${BASH_VERSION-}" ]; then
    __k_ifs=${IFS-unset}
    IFS=' '
    __k_names=
    for __k_n in a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z _; do
      eval "__k_names=\"\$__k_names \${!$__k_n*}\""
    done
    for __k_n in $__k_names; do
      case $__k_n in
        __k_* | _ | IFS | BASH | BASHOPTS | BASHPID | BASH_* | EUID | UID | PPID | SHELLOPTS | FUNCNAME | DIRSTACK | GROUPS) ;;
        PIPESTATUS | RANDOM | SRANDOM | SECONDS | LINENO | HISTCMD | EPOCHSECONDS | EPOCHREALTIME | COMP_* | OPTIND | OPTERR | SHLVL) ;;
        *) declare -p "$__k_n" ;;
      esac
    done >|"$__k_t/env.new" 2>/dev/null
    [ "$__k_ifs" = unset ] || { IFS=$__k_ifs; declare -p IFS >>"$__k_t/env.new"; }
  else
    { set; export -p; } >|"$__k_t/env.new"
  fi
  : >|"$__k_t/env.ok"
}
trap '{ set +euxvC; } 2>/dev/null; [ -n "$__k_saved" ] || __k_save' EXIT
