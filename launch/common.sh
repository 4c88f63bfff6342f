# shellcheck shell=bash
# Functions of all launch scripts, which source this file.

DRY_RUN=""

# The first comment of a script is its help text.
show_help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# For mistakes of the user: one line and exit code 2, as for rft itself.
die() {
  echo "${0##*/}: $*; see $0 --help" >&2
  exit 2
}

# The words quoted for a shell; words that need no quotes get none.
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

# Prints a command and runs it; with --dry_run only prints it.
run() {
  printf '%s\n' "$(quoted "$@")"
  [[ -n $DRY_RUN ]] || "$@"
}

# The value after a flag; a missing value is an error.
value_of() {
  [[ $# -ge 2 && $2 != --* ]] || die "$1 needs a value"
  printf '%s' "$2"
}

# Refuses commands that cannot run on several hosts.
check_hosts() { # HOSTS WHAT COMMAND
  case $3 in
    train | sample | evaluate | policy | run) ;;
    *) [[ $1 == 1 ]] || die "$2 has $1 hosts, but rft $3 runs on one (only train, sample, evaluate, policy and run take several)" ;;
  esac
}
