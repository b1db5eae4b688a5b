# Shared by the scripts here: where things are, and how processes are started and stopped.
# To be sourced. Everything listens on 127.0.0.1 only.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=${BENCH_BIN:-$root/target/release}
work=${BENCH_WORK:-$root/target/work}
results=${BENCH_RESULTS:-$root/target/results}
mkdir -p "$work" "$results"

idp_port=${IDP_PORT:-9400}
idp=http://localhost:$idp_port
idp_tls=https://localhost:$((idp_port + 1)) # where it is too when a peer sets needs_tls
idp_ca=$work/idp-ca.pem
idp_client_id=idp-client
idp_client_secret=idp-client-secret
peer_port=${PEER_PORT:-9420}
pg_port=${PG_PORT:-9432}
app_client_id=bench
app_client_secret=bench-secret-bench-secret
app_redirect=http://localhost:9499/callback
node=${NODE:-node}

# wait_for URL [SECONDS]: until it answers with 200
wait_for() {
  local left=$((${2:-60} * 20))
  until curl -fsS -o "$work/wait.out" --max-time 2 "$1" 2>/dev/null; do
    left=$((left - 1))
    if [[ $left -le 0 ]]; then
      echo "no answer from $1" >&2
      return 1
    fi
    sleep 0.05
  done
}

# stop PID: politely, then not; waits until it is gone
stop() {
  kill -TERM "$1" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
}

# load_peer NAME [VARIANT]: reads how this peer is set up, started and seeded. SUFFIX makes another
# one of it, with a database of its own.
load_peer() {
  peer=$1 variant=${2:-}
  label=$peer${variant:+-$variant}${SUFFIX:-}
  here=$root/peers/$peer
  needs_db=0
  needs_tls=0
  db_url=postgres://bench@127.0.0.1:$pg_port/${label//-/_}
  setup() { :; }
  # shellcheck source=/dev/null
  source "$here/peer.sh"
}
