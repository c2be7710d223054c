# Read by examples/run.sh and tests/run.sh: `. examples/install.sh`, then `install_missing` or `install_missing --all`.
# Installs what the scripts need and the machine lacks: on Debian and Ubuntu through apt-get (with sudo where needed);
# elsewhere, or without the right to, it names what is missing and fails. Exports CXX, a g++ that is new enough.

# What is looked for (a command or a header), and the package of Debian and Ubuntu that brings it.
needed=("g++ g++" "cmake cmake" "ninja ninja-build" "Eigen/Core libeigen3-dev" "CLI/CLI.hpp libcli11-dev"
  "nlohmann/json.hpp nlohmann-json3-dev" "protozero/pbf_writer.hpp libprotozero-dev" "lzma.h liblzma-dev"
  "utf8proc.h libutf8proc-dev" "doctest/doctest.h doctest-dev" "benchmark/benchmark.h libbenchmark-dev"
  "boost/context/detail/fcontext.hpp libboost-context-dev")
needed_for_all=("clang++ clang" "libclang_rt libclang-rt-dev" "ccache ccache" "gdb gdb" "pkg-config pkg-config" "time time")

IFS=: read -r -a include_dirs <<<"${CPATH:-}:/usr/include:/usr/local/include:/usr/include/eigen3:/usr/local/include/eigen3"

has() { # has COMMAND, or has HEADER with a slash or .h, or has libclang_rt
  local dir
  case $1 in
    libclang_rt) clang++ -fsanitize=address -x c++ - -o /dev/null 2>/dev/null <<<'int main() {}' && return ;;
    */* | *.h) for dir in "${include_dirs[@]}"; do [ -n "$dir" ] && [ -e "$dir/$1" ] && return; done ;;
    *) type -P "$1" >/dev/null && return ;; # not a word of the shell, as `time` is
  esac
  return 1
}

find_missing() { # find_missing PAIR…: sets missing and packages; fails when there is nothing to install
  missing=() packages=()
  local pair
  for pair; do
    has "${pair% *}" || { missing+=("${pair% *}") && packages+=("${pair#* }"); }
  done
  [ ${#missing[@]} != 0 ]
}

install_pairs() { # install_pairs PAIR…
  find_missing "$@" || return 0
  echo "Missing: ${missing[*]}"
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  if has apt-get && has "${as_root[@]:-apt-get}"; then
    echo "Installing: ${packages[*]}"
    local apt_get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    "${apt_get[@]}" update && "${apt_get[@]}" -y --no-install-recommends install "${packages[@]}" >/dev/null || true
    find_missing "$@" || return 0
  fi
  echo "Please install these, which I could not: ${missing[*]}" >&2
  echo "(packages of Debian and Ubuntu: ${packages[*]})" >&2
  return 1
}

install_missing() { # install_missing [--all]
  [ "${1:-}" != --all ] || needed+=("${needed_for_all[@]}")
  install_pairs "${needed[@]}" || return 1
  if [ -z "${CXX:-}" ]; then
    CXX=g++
    # The oldest Quern is written for is 12; a system with an older one has the newer beside it.
    if [ "$(g++ -dumpversion | cut -d. -f1)" -lt 12 ]; then
      install_pairs "g++-12 g++-12" || return 1
      CXX=g++-12
    fi
  fi
  export CXX
}
