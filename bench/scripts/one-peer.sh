#!/usr/bin/env bash
# one-peer.sh PEER [VARIANT]: brings a peer up against the stub identity provider and measures it:
# cold starts, idle memory, then logins at each concurrency, REPEATS times. Settings come from the
# environment: REPEATS, LEVELS, WARMUP_S, SECONDS_EACH, USERS, COLD (0 skips the cold starts), SUFFIX
# (added to the label) and IDP_OPTIONS (for the stub identity provider).
source "$(dirname "$0")/common.sh"
load_peer "$@"

repeats=${REPEATS:-2}
levels=${LEVELS:-1 16 64}
warmup=${WARMUP_S:-5}
seconds=${SECONDS_EACH:-15}
users=${USERS:-10000}
idp_options=${IDP_OPTIONS:-}

[[ $needs_tls -eq 0 ]] || idp_options+=" --tls-port ${idp_tls##*:} --tls-ca $idp_ca"

pids=()
db_running=0
finish() {
  for pid in "${pids[@]}"; do stop "$pid"; done
  [[ $db_running -eq 0 ]] || "$root/scripts/postgres.sh" stop
}
trap finish EXIT

# shellcheck disable=SC2086
"$bin/idp" --port "$idp_port" $idp_options >"$work/idp.log" 2>&1 &
idp_pid=$!
pids+=("$idp_pid")
wait_for "$idp/.well-known/openid-configuration"

db_pids=()
if [[ $needs_db -eq 1 ]]; then
  "$root/scripts/postgres.sh" start
  db_running=1
  db_pids=(--db-pid "$(head -n 1 "$work/postgres/postmaster.pid")")
  psql -q -h 127.0.0.1 -p "$pg_port" -U bench -d postgres \
    -c "drop database if exists ${db_url##*/}" -c "create database ${db_url##*/}"
fi
setup

if [[ ${COLD:-1} -eq 1 ]]; then
  # Not counted: the first start may create a schema, and fills the page cache.
  "$bin/cold" --label "$label" --url "$ready" --starts 1 --settle-s 1 \
    -- "$root/scripts/start.sh" "$@" >/dev/null
  "$bin/cold" --label "$label" --url "$ready" --starts 3 --json "$results/cold-$label.json" \
    -- "$root/scripts/start.sh" "$@"
fi

"$root/scripts/start.sh" "$@" >"$work/$label.log" 2>&1 &
peer_pid=$!
pids=("$peer_pid" "${pids[@]}")
wait_for "$ready"
target=()
seed

upstream=(--idp "$idp" --idp-pid "$idp_pid")
[[ $adapter != workos-emulate ]] || upstream=()
for repeat in $(seq "$repeats"); do
  for level in $levels; do
    "$bin/drive" --label "$label" --adapter "$adapter" "${target[@]}" "${upstream[@]}" \
      --redirect-uri "$app_redirect" --concurrency "$level" --users "$users" \
      --warmup-s "$warmup" --seconds "$seconds" \
      --broker-pid "$peer_pid" "${db_pids[@]}" \
      --json "$results/run-$label-$level-$repeat.json"
  done
done
