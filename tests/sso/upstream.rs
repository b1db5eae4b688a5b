//! What an identity provider can get wrong between the callback and the code: each time the
//! application hears `server_error`, nothing is stored, the session knows the exact reason, and the
//! next login works.

use std::time::{Duration, Instant};

use vestibule::base::failure::FailureCode as F;
use vestibule::sandbox::okta::{Fault, Server, TenantFault};

use super::expect::{ADA, KEYS, USERINFO};
use crate::support::{World, both_engines};

/// Signs in with each fault, expects its failure, and that nothing is left behind.
async fn assert_failures(world: &World, faults: &[(Fault, F)]) {
    for (fault, code) in faults {
        world.faults(&[*fault]);
        let (before, asked) = (world.stored().await, world.token_requests());
        let answer = world.sign_ada_in().await;
        world.assert_refused(&answer, *code).await;
        assert_eq!(world.stored().await, before, "{fault:?}");
        assert_eq!(world.token_requests(), asked + 1, "{fault:?}: one attempt");
        assert_eq!(world.last_session().await["profile_id"], serde_json::Value::Null);
    }
    world.faults(&[]);
    let recovered = world.sign_ada_in().await;
    assert!(recovered.param("code").is_some(), "{}", recovered.location());
}

both_engines! {
    async fn idt_an_id_token_that_is_not_for_this_login_signs_nobody_in(world: World) {
        assert_failures(&world, &[
            (Fault::WrongNonce, F::IdTokenNonce),
            (Fault::MissingNonce, F::IdTokenNonce),
            (Fault::WrongIssuer, F::IdTokenIss),
            (Fault::WrongAudience, F::IdTokenAud),
            (Fault::ExtraAudience, F::IdTokenAudExtra),
            (Fault::WrongAzp, F::IdTokenAzp),
            (Fault::Expired, F::IdTokenExp),
            (Fault::IssuedInTheFuture, F::IdTokenIat),
            (Fault::MissingSub, F::IdTokenSub),
            (Fault::WrongAtHash, F::IdTokenAtHash),
            (Fault::DuplicatedClaims, F::IdTokenJson),
        ]).await;
        assert_eq!(world.demo.tenant.count(USERINFO), 1, "only the good token was worth a question");
    }

    async fn idt_an_id_token_that_the_tenant_did_not_sign_signs_nobody_in(world: World) {
        assert_failures(&world, &[
            (Fault::BadSignature, F::IdTokenSig),
            (Fault::AlgNone, F::IdTokenAlg),
            (Fault::Hs256WithSecret, F::IdTokenAlg),
            (Fault::UnknownKid, F::IdTokenKid),
        ]).await;
    }

    async fn uin_01_idp_02_03_04_05_12_a_bad_answer_is_final_and_the_next_login_works(world: World) {
        assert_failures(&world, &[
            (Fault::UserinfoOtherSub, F::UserinfoSub),
            (Fault::UserinfoServerError, F::UserinfoRefused),
            (Fault::UserinfoUnauthorized, F::UserinfoRefused),
            (Fault::UserinfoOnlySub, F::EmailMissing),
            (Fault::TokenServerError, F::TokenEndpointError),
            (Fault::TokenRateLimited, F::TokenEndpointRateLimited),
            (Fault::TokenGarbage, F::TokenResponseInvalid),
            (Fault::TokenOversize, F::TokenResponseInvalid),
            (Fault::TokenRedirect, F::TokenEndpointError),
            (Fault::TokenWithoutIdToken, F::IdTokenMissing),
        ]).await;
        assert_eq!(world.demo.tenant.count("/sandbox/elsewhere"), 0, "redirects are not followed");
    }

    async fn idp_03_a_token_endpoint_that_refuses_again_and_again_is_left_alone(world: World) {
        // Its `Retry-After` says 30 seconds.
        world.faults(&[Fault::TokenRateLimited]);
        let asked = world.token_requests();
        for n in 1..=5 {
            let answer = world.sign_ada_in().await;
            world.assert_refused(&answer, F::TokenEndpointRateLimited).await;
            assert_eq!(world.token_requests(), asked + n.min(3), "{n}");
        }
        let trace = world.last_session().await.to_string();
        assert!(trace.contains("refused 3 times in a row; it is asked again in 30 s"), "{trace}");
        world.clock.advance_ms(29_000);
        world.assert_refused(&world.sign_ada_in().await, F::TokenEndpointRateLimited).await;
        assert_eq!(world.token_requests(), asked + 3);
        // One is let through; it is refused again, so the others are not.
        world.clock.advance_ms(1_000);
        for _ in 0..2 {
            world.assert_refused(&world.sign_ada_in().await, F::TokenEndpointRateLimited).await;
            assert_eq!(world.token_requests(), asked + 4);
        }
        world.faults(&[]);
        world.clock.advance_ms(30_000);
        assert!(world.sign_ada_in().await.param("code").is_some());
        world.faults(&[Fault::TokenRateLimited]);
        world.assert_refused(&world.sign_ada_in().await, F::TokenEndpointRateLimited).await;
        world.faults(&[]);
        assert!(world.sign_ada_in().await.param("code").is_some(), "once is not again and again");
    }

    async fn idp_02_a_token_endpoint_that_hangs_costs_one_login_and_no_more(world: World) {
        world.faults(&[Fault::TokenSlow { ms: 60_000 }]);
        let began = Instant::now();
        let (slow, waiting) = tokio::join!(world.sign_ada_in(), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let began = Instant::now();
            assert_eq!(world.authorize(&[]).await.status, 302);
            assert_eq!(world.profile("none").await.status, 401);
            began.elapsed()
        });
        assert!(waiting < Duration::from_secs(3), "others waited {waiting:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let failed = slow.param("sso_session_id").expect("a session");
        let session = world.api("GET", &format!("/sso_sessions/{failed}"), None).await.json();
        assert_eq!(session["error"]["code"], "token_endpoint_unreachable");
        world.faults(&[Fault::TokenSlow { ms: 300 }]);
        assert!(world.sign_ada_in().await.param("code").is_some(), "slow is not too slow");
    }

    async fn jwk_a_new_key_is_fetched_once_and_used(world: World) {
        assert!(world.sign_ada_in().await.param("code").is_some());
        let fetched = world.demo.tenant.count(KEYS);
        world.faults(&[Fault::KeyRotatedBeforeSigning]);
        assert!(world.sign_ada_in().await.param("code").is_some());
        assert_eq!(world.demo.tenant.count(KEYS), fetched + 1);
        world.faults(&[]);
        assert!(world.sign_ada_in().await.param("code").is_some());
        assert_eq!(world.demo.tenant.count(KEYS), fetched + 1, "the new keys are kept");
        world.demo.tenant.rotate_keys(Server::Org).unwrap();
        world.demo.tenant.drop_old_keys(Server::Org);
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn jwk_keys_that_cannot_be_had_end_the_login_and_not_the_service(world: World) {
        for (fault, code) in [
            (TenantFault::KeysServerError, F::JwksUnreachable),
            (TenantFault::KeysGarbage, F::JwksInvalid),
            (TenantFault::KeysEmpty, F::JwksInvalid),
        ] {
            world.app().upstream.forget(world.demo.seeded.connection_id.as_str());
            world.demo.tenant.set_tenant_faults(&[fault]);
            let before = world.stored().await;
            let answer = world.sign_ada_in().await;
            let failed = world.last_failure().await;
            assert_eq!(answer.param("error").as_deref(), Some("server_error"));
            assert!(failed == code.as_str() || failed == "id_token_kid", "{fault:?}: {failed}");
            assert_eq!(world.stored().await, before);
            world.clock.advance_ms(3_000);
        }
        world.demo.tenant.set_tenant_faults(&[]);
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn dsc_metadata_of_another_issuer_end_the_login_where_it_begins(world: World) {
        for (fault, code) in [
            (TenantFault::DiscoveryServerError, F::DiscoveryUnreachable),
            (TenantFault::DiscoveryGarbage, F::MetadataInvalid),
            (TenantFault::DiscoveryIssuerMismatch, F::IssuerMismatch),
        ] {
            world.app().upstream.forget(world.demo.seeded.connection_id.as_str());
            world.demo.tenant.set_tenant_faults(&[fault]);
            world.assert_refused(&world.authorize(&[]).await, code).await;
            world.clock.advance_ms(3_000);
        }
        world.demo.tenant.set_tenant_faults(&[]);
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn clk_01_half_a_minute_between_the_clocks_is_forgiven(world: World) {
        for (skew_ms, works) in [(30_000, true), (55_000, true), (-55_000, true)] {
            let mut browser = world.browser();
            let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
            world.clock.advance_ms(skew_ms);
            let answer = browser.get(&callback).await;
            assert_eq!(answer.param("code").is_some(), works, "{skew_ms}: {}", answer.location());
        }
    }
}
