//! Redeeming a code: who may, how it is asked, and what a refusal costs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vestibule::base::Caller;
use vestibule::db::Tx;
use vestibule::sso::answer::percent_encode;

use super::expect::ADA;
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The only sentence about a code, whatever is wrong with it.
pub const SPENT: &str = "The code has expired or has already been used.";

/// A refusal as RFC 6749 section 5.2 words it, of which no cache keeps anything.
#[track_caller]
pub fn assert_error(answer: &Answer, error: &str, description: &str) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json(), json!({ "error": error, "error_description": description }));
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[track_caller]
pub fn assert_spent(answer: &Answer) {
    assert_error(answer, "invalid_grant", SPENT);
}

#[track_caller]
fn assert_granted(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(body["profile"]["email"], ADA);
    body
}

/// A code that is bound to [`CHALLENGE`].
async fn bound_code(world: &World) -> String {
    let changes = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    world.code_of(&world.authorize_url(&changes), ADA).await
}

/// A request for a token without credentials in the body.
fn bare(world: &World, code: &str) -> Request {
    let params = [("grant_type", "authorization_code"), ("code", code)];
    Request::post_form(&world.url("/sso/token"), &params)
}

both_engines! {
    async fn cod_01_a_code_is_redeemed_in_every_style_of_the_sdks(world: World) {
        let (id, key) = (&world.demo.seeded.client_id, world.demo.seeded.api_key.expose());
        let url = world.url("/sso/token");
        let body = |code: &str| json!({
            "client_id": id, "client_secret": key, "grant_type": "authorization_code", "code": code,
        });
        assert_granted(&world.redeem(&world.code().await, &[]).await);
        assert_granted(&Request::new("POST", &url).json(&body(&world.code().await)).send().await);
        // Kotlin: JSON, the key once more as Bearer, and the code once more in the query.
        let code = world.code().await;
        let kotlin = Request::new("POST", &world.url(&format!("/sso/token?code={code}")));
        assert_granted(&kotlin.json(&body(&code)).bearer(key).send().await);
        // Node in its public mode aside, SDKs send the key as Bearer besides the body.
        let code = world.code().await;
        let node = [("client_id", id.as_str()), ("grant_type", "authorization_code"), ("code", &code)];
        assert_granted(&Request::post_form(&url, &node).bearer(key).send().await);
        // RFC 6749 section 2.3.1: both halves are form-encoded before base64.
        let every_byte: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for secret in [key, &every_byte] {
            let pair = STANDARD.encode(format!("{}:{secret}", percent_encode(id.as_bytes())));
            let basic = bare(&world, &world.code().await);
            assert_granted(&basic.header("authorization", &format!("basic {pair}")).send().await);
        }
    }

    async fn cod_05_a_code_is_good_for_ten_minutes_and_nobody_need_sweep(world: World) {
        let code = world.code().await;
        world.clock.advance_ms(599_000 - 5_000);
        assert_granted(&world.redeem(&code, &[]).await);
        let code = world.code().await;
        world.clock.advance_ms(600_000);
        assert_spent(&world.redeem(&code, &[]).await);
        world.clock.advance_ms(-600_000);
        assert_spent(&world.redeem(&code, &[]).await);
    }

    async fn cod_06_07_a_bound_code_needs_its_verifier_and_a_wrong_one_spends_it(world: World) {
        let code = bound_code(&world).await;
        assert_granted(&world.redeem(&code, &[("code_verifier", VERIFIER)]).await);
        let before = world.stored().await;
        let (long, odd) = ("a".repeat(129), VERIFIER.replace('-', "+"));
        let wrong = VERIFIER.replace('k', "l");
        for verifier in [&wrong, &VERIFIER[1..], &long, &odd, CHALLENGE, "\u{e9}"] {
            let code = bound_code(&world).await;
            assert_spent(&world.redeem(&code, &[("code_verifier", verifier)]).await);
            assert_spent(&world.redeem(&code, &[("code_verifier", VERIFIER)]).await);
        }
        let missing = bound_code(&world).await;
        assert_spent(&world.redeem(&missing, &[]).await);
        assert_spent(&world.redeem(&missing, &[("code_verifier", VERIFIER)]).await);
        let empty = bound_code(&world).await;
        let (id, key) = (&world.demo.seeded.client_id, world.demo.seeded.api_key.expose());
        let params = [("client_id", id.as_str()), ("client_secret", key), ("code_verifier", ""),
            ("code", &empty), ("grant_type", "authorization_code")];
        assert_spent(&Request::post_form(&world.url("/sso/token"), &params).send().await);
        let after = world.stored().await;
        assert_eq!((after.tokens, after.successes), (before.tokens, before.successes));
    }

    async fn cod_08_a_verifier_for_a_code_without_challenge_is_a_downgrade(world: World) {
        let code = world.code().await;
        assert_spent(&world.redeem(&code, &[("code_verifier", VERIFIER)]).await);
        assert_spent(&world.redeem(&code, &[]).await);
        assert_eq!(world.stored().await.tokens, 0);
    }

    async fn api_02_a_key_that_may_only_read_finishes_no_login(world: World) {
        let code = world.code().await;
        let body = json!({ "name": "Reports", "access": "read" });
        let key = world.must("POST", "/environment/api_keys", body).await;
        let changes = [("client_secret", key["value"].as_str().unwrap())];
        let refused = world.redeem(&code, &changes).await;
        assert_error(&refused, "unauthorized_client", "This API key may only read.");
        assert_eq!(world.redeem(&code, &[]).await.status, 200, "the code was not touched");
    }

    async fn cod_09_18_api_01_without_the_right_secret_the_code_is_not_touched(world: World) {
        let code = bound_code(&world).await;
        let other = world.other_environment("https://other.example.com/cb").await;
        let expiring = world.must("POST", "/environment/api_keys", json!({
            "name": "Soon over",
            "expires_at": world.clock.now().plus_ms(1000).to_string(),
        })).await;
        let revoked = world.must("POST", "/environment/api_keys", json!({ "name": "Gone" })).await;
        let path = format!("/environment/api_keys/{}", revoked["id"].as_str().unwrap());
        assert!(world.api("DELETE", &path, None).await.status.is_success());
        world.clock.advance_ms(1000);
        let right = world.demo.seeded.api_key.expose();
        let value = |key: &Value| key["value"].as_str().expect("the key").to_owned();
        let (expired, revoked) = (value(&expiring), value(&revoked));
        let mut answers = Vec::new();
        for secret in [
            "", "sk_wrong", &right[..right.len() - 1], &right.to_uppercase(), &format!("{right}="),
            &expired, &revoked, other.api_key.expose(), "\0", &"s".repeat(10_000),
        ] {
            let changes = [("client_secret", secret), ("code_verifier", VERIFIER)];
            answers.push(world.redeem(&code, &changes).await);
        }
        for client in ["client_unknown", &other.client_id, "\0", &"c".repeat(1000)] {
            let changes = [("client_id", client), ("code_verifier", VERIFIER)];
            answers.push(world.redeem(&code, &changes).await);
        }
        for answer in &answers {
            assert_error(answer, "invalid_client", "Invalid client ID or secret.");
        }
        for secret in [expired.as_str(), &revoked, other.api_key.expose()] {
            let organizations = Request::get(&world.url("/connections")).bearer(secret);
            let status = organizations.send().await.status;
            let known = secret == other.api_key.expose();
            assert_eq!(status, if known { 200 } else { 401 });
        }
        assert_granted(&world.redeem(&code, &[("code_verifier", VERIFIER)]).await);
    }

    async fn cod_11_a_public_client_redeems_by_pkce_where_the_environment_allows_it(world: World) {
        let no_secret = [("client_secret", ""), ("code_verifier", VERIFIER)];
        let code = bound_code(&world).await;
        let refused = world.redeem(&code, &no_secret).await;
        assert_error(&refused, "invalid_client", "Invalid client ID or secret.");
        world.change_environment(json!({ "public_client": true })).await;
        assert_granted(&world.redeem(&code, &no_secret).await);
        // A code that is bound to nothing would be anybody's.
        let unbound = world.code().await;
        assert_spent(&world.redeem(&unbound, &[("client_secret", "")]).await);
        let code = bound_code(&world).await;
        assert_spent(&world.redeem(&code, &[("client_secret", "")]).await);
        // Who brings a secret is held to it.
        let code = bound_code(&world).await;
        let wrong = [("client_secret", "sk_wrong"), ("code_verifier", VERIFIER)];
        let refused = world.redeem(&code, &wrong).await;
        assert_error(&refused, "invalid_client", "Invalid client ID or secret.");
    }

    async fn cod_12_a_redirect_uri_that_is_sent_must_be_the_one_of_the_login(world: World) {
        let right = [("redirect_uri", world.demo.redirect_uri.as_str())];
        assert_granted(&world.redeem(&world.code().await, &right).await);
        world.register("https://app.example.com/cb").await;
        let code = world.code().await;
        let wrong = [("redirect_uri", "https://app.example.com/cb")];
        assert_spent(&world.redeem(&code, &wrong).await);
        assert_spent(&world.redeem(&code, &[]).await);
    }

    async fn cod_13_a_malformed_request_is_told_what_is_wrong_and_spends_nothing(world: World) {
        let code = world.code().await;
        let url = world.url("/sso/token");
        let missing = |name: &str| format!("Missing required parameter: {name}.");
        for name in ["grant_type", "client_id", "code"] {
            let answer = world.redeem(&code, &[(name, "")]).await;
            assert_error(&answer, "invalid_request", &missing(name));
        }
        let other = world.redeem(&code, &[("grant_type", "refresh_token")]).await;
        let words = "The grant type is not supported; use authorization_code.";
        assert_error(&other, "unsupported_grant_type", words);
        let (id, key) = (&world.demo.seeded.client_id, world.demo.seeded.api_key.expose());
        let good = format!("client_id={id}&client_secret={key}&grant_type=authorization_code&code={code}");
        let form = "application/x-www-form-urlencoded";
        for name in ["grant_type", "client_id", "client_secret", "code"] {
            let twice = format!("{good}&{name}=x");
            let answer = Request::new("POST", &url).body(form, twice).send().await;
            assert_error(&answer, "invalid_request", "A parameter was given more than once.");
        }
        let doubled = format!(r#"{{"grant_type":"authorization_code","code":"x","code":"{code}"}}"#);
        let answer = Request::new("POST", &url).body("application/json", doubled).send().await;
        assert_error(&answer, "invalid_request", "A parameter was given more than once.");
        for body in ["[]", "{", "\"x\"", "null", "\u{0}", &"[".repeat(60_000)] {
            let answer = Request::new("POST", &url).body("application/json", body).send().await;
            assert_error(&answer, "invalid_request", "The body is no JSON object.");
        }
        let empty = Request::new("POST", &url).body("application/json", "").send().await;
        assert_error(&empty, "invalid_request", &missing("grant_type"));
        let basic = STANDARD.encode(format!("{id}:sk_other"));
        let two = Request::new("POST", &url).body(form, good.clone());
        let two = two.header("authorization", &format!("Basic {basic}")).send().await;
        assert_error(&two, "invalid_request", "Two different client authentications.");
        let headers = Request::new("POST", &url).body(form, good.clone()).bearer(key).bearer(key);
        let words = "More than one Authorization header.";
        assert_error(&headers.send().await, "invalid_request", words);
        for method in ["GET", "PUT", "OPTIONS"] {
            let cors = Request::new(method, &url).header("origin", "https://evil.example");
            let answer = cors.send().await;
            assert_eq!(answer.status, 405, "{method}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        assert_granted(&Request::new("POST", &url).body(form, good).send().await);
    }

    async fn cod_14_secrets_in_the_query_are_refused_and_the_code_is_not_touched(world: World) {
        let (code, key) = (bound_code(&world).await, world.demo.seeded.api_key.expose());
        for query in [
            format!("client_secret={key}"), format!("code_verifier={VERIFIER}"),
            format!("client%5Fsecret={key}"),
        ] {
            let answer = Request::new("POST", &world.url(&format!("/sso/token?{query}")));
            let answer = answer.json(&json!({
                "client_id": world.demo.seeded.client_id, "client_secret": key, "code": code,
                "code_verifier": VERIFIER, "grant_type": "authorization_code",
            })).send().await;
            let words = "Credentials may not be in the query string.";
            assert_error(&answer, "invalid_request", words);
        }
        assert_granted(&world.redeem(&code, &[("code_verifier", VERIFIER)]).await);
    }

    async fn cod_15_16_a_code_that_is_none_is_refused_without_being_repeated(world: World) {
        let (code, other) = (world.code().await, world.code().await);
        let (upper, huge) = (code.to_ascii_uppercase(), "c".repeat(60_000));
        let (short, last) = code.split_at(code.len() - 1);
        let changed = format!("{short}{}", if last == "A" { "B" } else { "A" });
        // A code begins with the id of its login, 26 characters that are no secret.
        let crossed = format!("{}{}", &other[..26], &code[26..]);
        let lower = format!("{}{}", code[..26].to_ascii_lowercase(), &code[26..]);
        for wrong in [
            &changed, short, &format!("{code}="), &upper, "\0", &format!("{code}\0"), &huge, "'",
            &crossed, &lower, &code[..26], &code[26..],
        ] {
            let answer = world.redeem(wrong, &[]).await;
            assert_spent(&answer);
            assert!(!answer.text().contains(&code[..20]) && !answer.text().contains(&code[26..]));
        }
        let (id, key) = (&world.demo.seeded.client_id, world.demo.seeded.api_key.expose());
        let bytes = format!("client_id={id}&client_secret={key}&grant_type=authorization_code&code=%ff%fe");
        let form = "application/x-www-form-urlencoded";
        let request = Request::new("POST", &world.url("/sso/token"));
        assert_spent(&request.body(form, bytes).send().await);
        assert_granted(&world.redeem(&code, &[]).await);
    }

    async fn sto_03_where_a_code_cannot_be_spent_or_a_token_not_revoked_nothing_is_granted(world: World) {
        let ddl = async |statements: &'static [&'static str]| {
            let run = async move |tx: &mut Tx| {
                for sql in statements {
                    tx.execute(sql, &[]).await?;
                }
                Ok(())
            };
            world.app().db.write(&Caller::anonymous(), run).await.unwrap();
        };
        let (refuse, allow): (&[&str], &[&str]) = match world.db.url() {
            None => (
                &["CREATE TRIGGER refuse BEFORE UPDATE ON sso_sessions BEGIN SELECT RAISE(ABORT, 'no'); END"],
                &["DROP TRIGGER refuse"],
            ),
            Some(_) => (
                &[
                    "CREATE FUNCTION refuse() RETURNS trigger AS
                     'BEGIN RAISE EXCEPTION ''no''; END' LANGUAGE plpgsql",
                    "CREATE TRIGGER refuse BEFORE UPDATE ON sso_sessions
                     FOR EACH ROW EXECUTE FUNCTION refuse()",
                ],
                &["DROP FUNCTION refuse() CASCADE"],
            ),
        };
        let code = world.code().await;
        ddl(refuse).await;
        let answer = world.redeem(&code, &[]).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(answer.json().get("access_token").is_none(), "{}", answer.text());
        ddl(allow).await;
        assert_eq!(world.stored().await.tokens, 0);
        // Nothing of it has happened, so the code is still good.
        let granted = assert_granted(&world.redeem(&code, &[]).await);
        let token = granted["access_token"].as_str().unwrap();
        // A replay revokes what the code gave; where it cannot, it does not say that it has.
        ddl(refuse).await;
        assert_eq!(world.redeem(&code, &[]).await.status, 500);
        ddl(allow).await;
        assert_eq!(world.profile(token).await.status, 200);
        assert_spent(&world.redeem(&code, &[]).await);
        assert_eq!(world.profile(token).await.status, 401);
    }

    async fn cod_20_a_code_of_a_connection_that_was_switched_off_is_no_good(world: World) {
        let code = world.code().await;
        world.change_connection(json!({ "state": "inactive" })).await;
        assert_spent(&world.redeem(&code, &[]).await);
        world.change_connection(json!({ "state": "active" })).await;
        assert_spent(&world.redeem(&code, &[]).await);
        let code = world.code().await;
        let path = format!("/organizations/{}", world.demo.seeded.organization_id);
        assert!(world.api("DELETE", &path, None).await.status.is_success());
        assert_spent(&world.redeem(&code, &[]).await);
        assert_eq!(world.stored().await.tokens, 0);
    }
}
