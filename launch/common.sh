# shellcheck shell=bash
# What the launch scripts share; sourced by them.

DRY_RUN=""

# The comment at the head of a script is its help.
show_help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# A mistake of the user's: one line, exit code 2, as rft itself does.
die() {
  echo "${0##*/}: $*; see $0 --help" >&2
  exit 2
}

# Words quoted so that they can be typed again; words that need no quotes get none.
quoted() {
  local word line=""
  for word in "$@"; do
    if [[ -z $word || $word =~ [^A-Za-z0-9_./:=@%+,-] ]]; then
      word="'${word//\'/\'\\\'\'}'"
    fi
    line+="${line:+ }$word"
  done
  printf '%s' "$line"
}

# Runs a command, after printing it; with --dry_run prints it only.
run() {
  printf '%s\n' "$(quoted "$@")"
  [[ -n $DRY_RUN ]] || "$@"
}

# The value after a flag, which must be there.
value_of() {
  [[ $# -ge 2 && $2 != --* ]] || die "$1 needs a value"
  printf '%s' "$2"
}

# What several hosts do together. Every other command is one process's work.
check_hosts() { # HOSTS WHAT COMMAND
  case $3 in
    train | sample | evaluate | run) ;;
    *) [[ $1 == 1 ]] || die "$2 has $1 hosts, and rft $3 runs on one (train, sample, evaluate and run are for several)" ;;
  esac
}
