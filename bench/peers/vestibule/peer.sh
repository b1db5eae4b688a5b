# Vestibule itself, of the repository around this folder: VESTIBULE is the program, by default the
# one that `deploy/build` made. Variants: sqlite, pg, and tls, which is sqlite with a provider that speaks
# TLS. All defaults hold (durable commits, userinfo, traces, events), but for the log level and the
# limits on logins and calls a minute.
adapter=workos
ready=http://127.0.0.1:$peer_port/readyz
[[ $variant != pg ]] || needs_db=1
vestibule=${VESTIBULE:-$root/../target/dist/vestibule}
vestibule_data=$work/$label
# The stub providers listen on loopback, which no login may reach unless the operator vouches for it.
vestibule_env=(
  VESTIBULE_DATA="$vestibule_data"
  VESTIBULE_LISTEN="127.0.0.1:$peer_port"
  VESTIBULE_BASE_URL="http://localhost:$peer_port"
  VESTIBULE_LOG_LEVEL=warn
  VESTIBULE_LIMITS_AUTHORIZE_PER_MINUTE=0
  VESTIBULE_LIMITS_API_KEY_PER_MINUTE=0
  VESTIBULE_OUTBOUND_ALLOW=127.0.0.0/8,::1
)
[[ $variant != pg ]] || vestibule_env+=(VESTIBULE_DATABASE="$db_url")
issuer=$idp
if [[ $variant == tls ]]; then
  needs_tls=1 issuer=$idp_tls
  vestibule_env+=(VESTIBULE_OUTBOUND_EXTRA_CA_FILE="$idp_ca")
fi

vestibule() { env -u VESTIBULE "${vestibule_env[@]}" "$vestibule" "$@"; }

# vestibule_api METHOD PATH [JSON]: one call of the REST API
vestibule_api() {
  curl -fsS -X "$1" -H "Authorization: Bearer $(<"$vestibule_data/api-key")" \
    -H 'Content-Type: application/json' ${3:+-d "$3"} "http://127.0.0.1:$peer_port$2"
}

setup() {
  rm -rf "$vestibule_data"
  mkdir -p "$vestibule_data"
  vestibule environment create bench --kind sandbox >"$vestibule_data/environment.json"
  vestibule environment set --signin-consent never >/dev/null
  vestibule redirect-uri create "$app_redirect" >/dev/null
  vestibule api-key create bench | jq -r .value >"$vestibule_data/api-key"
}

start() { exec env -u VESTIBULE "${vestibule_env[@]}" "$vestibule" serve; }

# vestibule_connection NAME ISSUER: an organization with a connection; prints the connection's id
vestibule_connection() {
  local organization
  organization=$(vestibule_api POST /organizations \
    "{\"name\": \"$1\", \"allow_profiles_outside_organization\": true}" | jq -r .id)
  vestibule_api POST /connections "{
    \"organization_id\": \"$organization\", \"connection_type\": \"GenericOIDC\", \"name\": \"$1\",
    \"oidc\": { \"client_id\": \"$idp_client_id\", \"client_secret\": \"$idp_client_secret\",
      \"discovery_endpoint\": \"$2/.well-known/openid-configuration\" } }" | jq -r .id
}

seed() {
  # As the base URL has it: the cookie that binds a login to its browser is for that host.
  target=(--broker "http://localhost:$peer_port"
    --client-id "$(jq -r .client_id "$vestibule_data/environment.json")"
    --client-secret "$(<"$vestibule_data/api-key")"
    --connection "$(vestibule_connection bench "$issuer")")
}
