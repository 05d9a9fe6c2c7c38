#!/usr/bin/env bash
# Installs what the tests need and is missing, then runs them, cheapest part first.
#
#   tests/run.sh              every part: fmt tidy deny clippy doc nextest interop
#   tests/run.sh clippy doc   the named parts
#   tests/run.sh story        one test binary (tests/story.rs); `unit` is the library's own tests
#   tests/run.sh fuzz         looks for inputs that break a law of fuzz/laws, CARNET_FUZZ_SECONDS a target
#                             (120), those named in CARNET_FUZZ_TARGETS (all)
#   tests/run.sh long         what takes more than a minute and is no part of the above: whether what
#                             a message costs grows with what others have (benches/growth.rs), every attack
#                             of one agency at once (benches/attacks.rs), a log of 20 GiB
#                             (tests/long.rs), a crash at every call of a script (tests/sim.rs), and
#                             fuzz
#
# Needs Rust and, for what is missing, apt-get as root or through sudo. Built and installed things go
# to ${XDG_CACHE_HOME:-~/.cache}/carnet (and CARGO_TARGET_DIR, if set), so a second run installs
# nothing. Stops at the first part that fails; its exit code is 0 when all passed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/carnet
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
ALL_PARTS=(fmt tidy deny clippy doc nextest interop)
INSTALLED=()

# --- installing -----------------------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else
    echo "tests/run.sh: neither root nor sudo; run as root: $*" >&2
    return 1
  fi
}

# The Debian packages among the given ones that are not installed.
absent_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

install_packages() {
  [ $# -gt 0 ] || return 0
  echo "installing from Debian: $*"
  export DEBIAN_FRONTEND=noninteractive
  if [ -z "${APT_UPDATED:-}" ]; then
    as_root apt-get update -qq
    APT_UPDATED=yes
  fi
  as_root apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >/dev/null
  INSTALLED+=("$@")
}

# A command counts wherever it comes from: a machine's own Node or JDK is as good as Debian's.
need_command() {
  local command=$1
  shift
  command -v "$command" >/dev/null || install_packages "$@"
}

need_rust() {
  if ! command -v cargo >/dev/null; then
    echo "tests/run.sh: cargo not found; install Rust 1.95 or later (https://rustup.rs)" >&2
    return 1
  fi
  need_command cc gcc libc6-dev
  need_command git git
}

need_nextest() {
  if ! command -v cargo-nextest >/dev/null; then
    echo "installing from crates.io: cargo-nextest"
    cargo install --quiet --locked cargo-nextest
    INSTALLED+=(cargo-nextest)
  fi
}

# Languages, client libraries, and a folder for this very list of Python and npm packages.
need_clients() {
  local listed absent
  mapfile -t listed <tests/interop/debian.txt
  mapfile -t absent < <(absent_packages "${listed[@]}")
  install_packages "${absent[@]}"
  need_command javac default-jdk-headless
  need_command npm nodejs npm
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv

  local key tools
  key=$({ python3 -VV; node --version; cat tests/interop/{requirements.txt,package-lock.json}; } |
    sha256sum | cut -c 1-16)
  tools=$CACHE/interop/$key
  mkdir -p "$CACHE/interop"
  # Two runs at once (two clones, one cache) wait for each other here.
  exec 9>"$CACHE/interop/lock"
  flock 9
  if [ ! -e "$tools/complete" ]; then
    echo "installing from PyPI and npm: $tools"
    rm -rf "$tools"
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check -r tests/interop/requirements.txt
    mkdir "$tools/node"
    cp tests/interop/package.json tests/interop/package-lock.json "$tools/node"
    npm ci --prefix "$tools/node" --silent --no-audit --no-fund
    touch "$tools/complete"
    INSTALLED+=(PyPI:tests/interop/requirements.txt npm:tests/interop/package.json)
  fi
  # So that a plain `cargo nextest run` finds it too.
  ln -sfn "$key" "$CACHE/interop/current"
  exec 9>&-
  export CARNET_INTEROP_TOOLS=$tools
}

needs_of() {
  need_rust
  case $1 in
    fuzz | long) need_command c++ g++ ;;&
    fmt | deny | clippy | doc | fuzz | long) return ;;
  esac
  need_nextest
  case $1 in
    tidy) need_command shellcheck shellcheck ;;
    interop) need_clients ;;
  esac
}

# --- parts ----------------------------------------------------------------------------------------

part_fmt() {
  cargo fmt --all --check
}

part_tidy() {
  local scripts
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
  shellcheck "${scripts[@]}"
  cargo nextest run --locked --test tidy
}

# What deny.toml bans must not be linked. Licences, sources and duplicates: cargo-deny, where it is.
part_deny() {
  local banned linked found
  banned=$(sed -n '/^\[bans\]/,/^\[sources\]/p' deny.toml | sed -n 's/{ name/\n&/gp' |
    sed -n 's/^{ name = "\([^"]*\)".*/\1/p')
  [ -n "$banned" ] || { echo "deny.toml: no banned crates found under [bans]" >&2; return 1; }
  linked=$(cargo tree --locked --edges normal,build --prefix none --format '{p}' | cut -d ' ' -f 1 | sort -u)
  if found=$(grep -xF "$banned" <<<"$linked"); then
    printf 'banned by deny.toml, yet in the build: %s\n' "$found" >&2
    echo "cargo tree --edges normal,build --invert NAME shows who brings it" >&2
    return 1
  fi
  echo "$(wc -l <<<"$linked") crates linked, none of the banned: $(tr '\n' ' ' <<<"$banned")"
  if command -v cargo-deny >/dev/null; then
    cargo deny check bans licenses sources
  fi
}

part_clippy() {
  cargo clippy --locked --all-targets -- -D warnings
}

part_doc() {
  RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
}

part_nextest() {
  cargo nextest run --locked -E 'not binary(/^(tidy|interop)$/)'
}

part_unit() {
  cargo nextest run --locked --lib
}

part_binary() {
  cargo nextest run --locked --test "$1"
}

# libFuzzer, by the flags of its coverage alone: sanitizers need a nightly compiler, and there is no
# unsafe code to sanitize. What it learns is kept in the cache; what breaks a law is named at the end,
# and belongs into fuzz/corpus.
part_fuzz() {
  local host seconds learned log target targets
  host=$(rustc -vV | sed -n 's/^host: //p')
  seconds=${CARNET_FUZZ_SECONDS:-120}
  learned=$CACHE/fuzz
  mapfile -t targets < <(sed -n 's/^path = "targets\/\(.*\)\.rs"/\1/p' fuzz/Cargo.toml)
  [ -z "${CARNET_FUZZ_TARGETS:-}" ] || read -ra targets <<<"$CARNET_FUZZ_TARGETS"
  RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --locked -p carnet-fuzz --profile fuzz --target "$host"
  for target in "${targets[@]}"; do
    mkdir -p "$learned/$target"
    log=$learned/$target.log
    if ! "$CARGO_TARGET_DIR/$host/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
      -print_final_stats=1 -artifact_prefix="$learned/$target-" \
      "$learned/$target" "fuzz/corpus/$target" >"$log" 2>&1; then
      tail -n 40 "$log" >&2
      return 1
    fi
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions," \
      "$(find "$learned/$target" -type f | wc -l) inputs"
  done
}

# Run by hand before an issue is resolved. Builds optimised, which the other parts do not.
part_long() {
  cargo bench --locked --bench growth -- --check
  cargo bench --locked --bench attacks -- --together --seconds 120
  cargo test --locked --release --test long -- --include-ignored --nocapture
  # Every crash point, where the suite tries a part of them, and twenty random lives.
  CARNET_TEST_LONG=1 cargo test --locked --lib a_crash_at_any_call_of_the_keepers
  CARNET_TEST_LONG=1 cargo test --locked --test sim whatever_was -- --nocapture
  CARNET_TEST_LONG=1 cargo test --locked --test sim after_a_crash_at_any_call_the_tree
  part_fuzz
}

run_part() {
  if declare -F "part_$1" >/dev/null && [ "$1" != binary ]; then
    "part_$1"
  else
    part_binary "$1"
  fi
}

# --- main -----------------------------------------------------------------------------------------

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' tests/run.sh
}

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
esac
PARTS=("$@")
[ $# -gt 0 ] || PARTS=("${ALL_PARTS[@]}")
for part in "${PARTS[@]}"; do
  [[ $part =~ ^(unit|fuzz|long)$ ]] || [[ " ${ALL_PARTS[*]} " == *" $part "* ]] ||
    [ -e "tests/$part.rs" ] || [ -e "tests/$part/main.rs" ] || {
    echo "tests/run.sh: no part and no test binary is called '$part'; there are: ${ALL_PARTS[*]} unit fuzz long" >&2
    usage >&2
    exit 2
  }
done

NOW=installing
TIMES=()
closing() {
  local status=$?
  if [ $status -eq 0 ]; then
    echo "tests/run.sh: passed in ${SECONDS} s:${TIMES[*]}"
  else
    echo "tests/run.sh: FAILED in '$NOW' after ${SECONDS} s, exit code $status; passed before:${TIMES[*]:- none}"
  fi
}
trap closing EXIT

for part in "${PARTS[@]}"; do
  needs_of "$part"
done
if [ ${#INSTALLED[@]} -eq 0 ]; then
  echo "nothing to install"
else
  echo "installed in ${SECONDS} s: ${INSTALLED[*]}"
fi
for part in "${PARTS[@]}"; do
  NOW=$part
  echo "== $part"
  started=$SECONDS
  run_part "$part"
  TIMES+=(" $part $((SECONDS - started)) s")
done
