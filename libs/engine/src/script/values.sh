# k_value KIND ID TEXT: one event line, backslash and newline of TEXT escaped.
k_value() {
  __k_in=$3 __k_out=
  while :; do
    case $__k_in in
      *\\* | *"$__k_nl"*) ;;
      *) break ;;
    esac
    __k_head=${__k_in%%[\\"$__k_nl"]*}
    __k_in=${__k_in#"$__k_head"}
    case $__k_in in
      \\*) __k_out=$__k_out$__k_head'\\' ;;
      *) __k_out=$__k_out$__k_head'\n' ;;
    esac
    __k_in=${__k_in#?}
  done
  printf 'value %s %s %s\n' "$1" "$2" "$__k_out$__k_in" >>"$__k_events"
}
# k_exported NAME VALUE
k_exported() {
  if [ "${#2}" -le "$__k_most" ]; then k_value export "$1" "$2"
  else printf 'The value of %s is longer than %s characters and is not exported\n' "$1" "$__k_most"; fi
}
