//! The admin console, as a browser without scripts uses it.

use serde_json::json;

use super::*;

pub(super) const ADMIN: &str = "admin@example.com";
pub(super) const PASSWORD: &str = "in the sandbox";

/// A world with an administrator.
pub(super) fn world() -> World {
    let world = World::new();
    let admin = world.tenant.create_user(NewUser {
        email: ADMIN,
        password: PASSWORD,
        given_name: "Olga",
        family_name: "Admin",
    });
    world.tenant.make_admin(&admin).unwrap();
    world
}

/// An administrator's browser.
pub(super) struct Console<'a> {
    world: &'a World,
    pub(super) cookie: String,
    pub(super) csrf: String,
}

impl<'a> Console<'a> {
    pub(super) async fn open(world: &'a World) -> Self {
        let fields = form(&[("username", ADMIN), ("password", PASSWORD), ("to", "/admin/apps")]);
        let answer = world.post("/admin/sign-in", &[], fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        assert_eq!(answer.location(), "/admin/apps");
        let cookie = answer.cookie().to_owned();
        let page = world.get("/admin/dashboard", &cookie).await.body;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        let csrf = rest.split_once('"').unwrap().0.to_owned();
        Self { world, cookie, csrf }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.world.get(path, &self.cookie).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [&[("csrf", self.csrf.as_str())], fields].concat();
        self.world.post(path, &[(COOKIE.as_str(), &self.cookie)], form(&fields)).await
    }

    /// A form that works, and the page that it leads to.
    pub(super) async fn press(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path} {fields:?}: {}", answer.body);
        let location = answer.location().split('#').next().unwrap().to_owned();
        let page = self.get(&location).await;
        assert_eq!(page.status, StatusCode::OK, "{location}");
        page
    }
}

#[tokio::test]
async fn the_guide_by_form_ends_with_a_sign_in_that_has_groups() {
    let mut world = world();
    let engineering = world.tenant.groups()[1].id.clone();
    let console = Console::open(&world).await;
    assert!(console.get("/admin/apps").await.body.contains("Create App Integration"));
    let dialog = console.get("/admin/apps/new").await.body;
    for label in ["OIDC - OpenID Connect", "SAML 2.0", "Web Application", "Next"] {
        assert!(dialog.contains(label), "{label}");
    }
    let next = "/admin/apps/new?sign-in-method=oidc&application-type=web&next=1";
    assert_eq!(console.get(next).await.location(), "/admin/apps/new/web");
    let fields = [
        ("name", "Shop"),
        ("sign_in_uri", ""),
        ("sign_in_uri", CALLBACK),
        ("sign_out_uri", ""),
        ("access", "groups"),
        ("group", &engineering),
    ];
    let general = console.press("/admin/apps/new/web", &fields).await.body;
    let app = world.tenant.apps().pop().unwrap();
    assert_eq!(app.redirect_uris, [CALLBACK]);
    assert!(general.contains(&app.client_id));
    assert!(general.contains(app.secrets[0].expose()));
    assert!(general.contains("<code id=\"tenant-domain\">127.0.0.1:9001</code>"));

    let base = format!("/admin/apps/{}", app.client_id);
    let pkce = [("require_pkce", "1")];
    console.press(&format!("{base}/general/credentials"), &pkce).await;
    let claim =
        [("claim_type", "filter"), ("name", "groups"), ("condition", "regex"), ("value", ".*")];
    let sign_on = console.press(&format!("{base}/sign-on"), &claim).await.body;
    assert!(sign_on.contains("Show legacy configuration") && sign_on.contains("Matches regex"));
    let groups = console.get(&format!("{base}/assignments?filter=groups")).await.body;
    assert!(groups.contains("Engineering") && !groups.contains("Everyone"));
    let people = console.get(&format!("{base}/assignments")).await.body;
    assert!(people.contains("Ada Lovelace") && !people.contains("Grace Hopper"));

    let secret = app.secrets[0].clone();
    world.app = Credentials { client_id: app.client_id, client_secret: secret };
    let tokens = world.tokens(Server::Org, &[("scope", "openid groups")]).await;
    let userinfo = world.userinfo(Server::Org, &tokens).await.json();
    assert_eq!(userinfo["groups"], json!(["Engineering", "Everyone"]));
    let url = world.authorize_url(Server::Org, &[]);
    let location = world.tenant.sign_in(&url, "grace@example.com").await.unwrap();
    assert_eq!(query(&location, "error").as_deref(), Some("access_denied"));
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let location = world.get(&world.authorize_url(Server::Org, &without), "").await;
    assert_eq!(query(location.location(), "error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn with_a_logout_request_url_id_tokens_name_their_session() {
    let world = world();
    let console = Console::open(&world).await;
    let of = |tokens: &Value| super::claims(tokens)["sid"].as_str().map(str::to_owned);
    assert_eq!(of(&world.tokens(Server::Org, &[]).await), None);
    let base = format!("/admin/apps/{}/general", world.app.client_id);
    let url = "https://sso.example/sso/oidc/idp-logout/key";
    let fields =
        |logout_url| [("name", "Shop"), ("sign_in_uri", CALLBACK), ("logout_url", logout_url)];
    let wrong = console.post(&format!("{base}/settings"), &fields("no-uri")).await;
    assert!(wrong.body.contains("is not an absolute"), "{}", wrong.body);
    let saved = console.press(&format!("{base}/settings"), &fields(url)).await.body;
    assert!(saved.contains(url), "{saved}");
    let sid = of(&world.tokens(Server::Org, &[]).await).expect("sid");
    assert!(world.tenant.session_ids(&world.ada).contains(&sid));
    // Nobody is told anything by a tenant that has no way out, and the sessions end all the same.
    world.tenant.clear_sessions(&world.ada).await;
    assert!(world.tenant.session_ids(&world.ada).is_empty());
}

#[tokio::test]
async fn the_form_keeps_what_was_typed_and_says_what_is_wrong() {
    let world = world();
    let console = Console::open(&world).await;
    let apps = world.tenant.apps().len();
    for (fields, says) in [
        (&[("name", "Shop"), ("access", "skip")][..], "At least one sign-in redirect URI"),
        (&[("name", ""), ("sign_in_uri", CALLBACK), ("access", "skip")], "cannot be left blank"),
        (&[("name", "Shop"), ("sign_in_uri", "no-uri"), ("access", "skip")], "is not an absolute"),
        (
            &[("name", "Shop"), ("sign_in_uri", CALLBACK), ("access", "groups")],
            "at least one group",
        ),
        (&[("name", "Shop"), ("sign_in_uri", CALLBACK)], "Choose who gets access"),
    ] {
        let answer = console.post("/admin/apps/new/web", fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(says), "{says}: {}", answer.body);
        for (_, typed) in fields.iter().filter(|(name, _)| *name != "access") {
            assert!(answer.body.contains(&format!("value=\"{typed}\"")), "{typed}");
        }
    }
    assert_eq!(world.tenant.apps().len(), apps);

    let typed = [("name", "Shop"), ("sign_in_uri", CALLBACK), ("add", "sign_in_uri")];
    let rows = console.post("/admin/apps/new/web", &typed).await;
    assert_eq!(rows.status, StatusCode::OK);
    assert!(rows.body.contains("Remove Sign-in redirect URI 2"), "{}", rows.body);
    assert_eq!(rows.body.matches(CALLBACK).count(), 1);
    let typed = [("sign_in_uri", "https://gone.example/"), ("remove", "sign_in_uri:0")];
    let rows = console.post("/admin/apps/new/web", &typed).await;
    assert!(!rows.body.contains("gone.example"));
}

#[tokio::test]
async fn what_the_simulation_does_not_have_says_so() {
    let world = world();
    let console = Console::open(&world).await;
    for (query, says) in [
        ("sign-in-method=saml", "no such apps. Choose OIDC"),
        ("sign-in-method=oidc&application-type=spa", "no such apps. Choose Web Application"),
        ("sign-in-method=oidc", "Choose an application type."),
        ("x=y", "Choose a sign-in method."),
    ] {
        let answer = console.get(&format!("/admin/apps/new?{query}&next=1")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(says), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_groups_claim_is_checked_and_an_empty_filter_removes_it() {
    let world = world();
    let console = Console::open(&world).await;
    let path = format!("/admin/apps/{}/sign-on", world.app.client_id);
    let before = world.tenant.apps()[0].groups_claim.clone();
    for (claim_type, condition, value, says) in [
        ("filter", "regex", "(", "regular expression cannot be read"),
        ("expression", "regex", ".*", "no expression language"),
    ] {
        let fields = [
            ("claim_type", claim_type),
            ("name", "groups"),
            ("condition", condition),
            ("value", value),
        ];
        let answer = console.post(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(says), "{}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{value}\"")));
    }
    assert_eq!(world.tenant.apps()[0].groups_claim, before);
    let fields =
        [("claim_type", "filter"), ("name", "groups"), ("condition", "equals"), ("value", "")];
    let page = console.press(&path, &fields).await.body;
    assert!(page.contains("the app receives no groups"));
    assert_eq!(world.tenant.apps()[0].groups_claim, None);
}

#[tokio::test]
async fn secrets_are_rotated_and_there_are_never_three() {
    let world = world();
    let console = Console::open(&world).await;
    let path = format!("/admin/apps/{}/general/secrets", world.app.client_id);
    let handle_of = |page: &str, action: &str| {
        let (before, _) = page.split_once(&format!("value=\"{action}\"")).unwrap();
        let (_, rest) = before.rsplit_once("name=\"secret\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let first = console.get(path.trim_end_matches("/secrets")).await.body;
    let only = handle_of(&first, "deactivate");
    let answer = console.post(&path, &[("action", "deactivate"), ("secret", &only)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("only active secret cannot be deactivated"));

    console.press(&path, &[("action", "generate")]).await;
    let answer = console.post(&path, &[("action", "generate")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("reached the maximum number of secrets"), "{}", answer.body);
    let page = console.press(&path, &[("action", "deactivate"), ("secret", &only)]).await.body;
    let code = world.code(Server::Org, &[]).await;
    assert_eq!(world.redeem(Server::Org, &code).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(console.post(&path, &[("action", "generate")]).await.status.as_u16(), 422);
    let inactive = handle_of(&page, "activate");
    assert_eq!(inactive, only);
    console.press(&path, &[("action", "activate"), ("secret", &inactive)]).await;
    let code = world.code(Server::Org, &[]).await;
    assert_eq!(world.redeem(Server::Org, &code).await.status, StatusCode::OK);
    console.press(&path, &[("action", "deactivate"), ("secret", &only)]).await;
    console.press(&path, &[("action", "delete"), ("secret", &only)]).await;
    let app = &world.tenant.apps()[0];
    assert_eq!((app.secrets.len(), app.inactive_secrets.len()), (1, 0));
}

#[tokio::test]
async fn people_and_groups_are_made_assigned_suspended_and_removed() {
    let world = world();
    let console = Console::open(&world).await;
    let person = [
        ("given_name", "Alan"),
        ("family_name", "Turing"),
        ("username", "alan@example.com"),
        ("password", "enigma-enigma"),
    ];
    console.press("/admin/people/new", &person).await;
    let twice = console.post("/admin/people/new", &person).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.body.contains("already exists") && !twice.body.contains("enigma"));
    let alan = world.tenant.users().pop().unwrap();
    console.press("/admin/groups/new", &[("name", "Research")]).await;
    let research = world.tenant.groups().pop().unwrap().id;
    let group = format!("/admin/groups/{research}");
    let page = console.press(&group, &[("action", "add"), ("user", &alan.id)]).await.body;
    assert!(page.contains("Remove Alan Turing"));

    let assignments = format!("/admin/apps/{}/assignments", world.app.client_id);
    let sign_in = async || {
        let url = world.authorize_url(Server::Org, &[]);
        let location = world.tenant.sign_in(&url, "alan@example.com").await.unwrap_or_default();
        query(&location, "code").is_some()
    };
    assert!(!sign_in().await);
    let by_group = [("action", "assign"), ("filter", "groups"), ("id", &*research)];
    console.press(&assignments, &by_group).await;
    assert!(sign_in().await);
    console.press(&assignments, &[("action", "remove"), by_group[1], by_group[2]]).await;
    assert!(!sign_in().await);
    let by_person = [("action", "assign"), ("filter", "people"), ("id", &*alan.id)];
    console.press(&assignments, &by_person).await;
    assert!(sign_in().await);
    let status = format!("/admin/people/{}/status", alan.id);
    console.press(&status, &[("action", "suspend")]).await;
    assert!(!sign_in().await);
    console.press(&status, &[("action", "unsuspend")]).await;
    assert!(sign_in().await);
}

#[tokio::test]
async fn allow_everyone_is_a_group_that_newcomers_are_in() {
    let world = World::new();
    let other = Tenant::new(BASE, Clock::system(), "another seed");
    let world = World { tenant: other, ..world };
    let admin = world.tenant.create_user(NewUser {
        email: ADMIN,
        password: PASSWORD,
        given_name: "Olga",
        family_name: "Admin",
    });
    world.tenant.make_admin(&admin).unwrap();
    let console = Console::open(&world).await;
    let fields = [("name", "Shop"), ("sign_in_uri", CALLBACK), ("access", "everyone")];
    console.press("/admin/apps/new/web", &fields).await;
    let late = world.tenant.create_user(NewUser {
        email: "late@example.com",
        password: PASSWORD,
        given_name: "Late",
        family_name: "Comer",
    });
    let everyone = &world.tenant.groups()[0];
    assert_eq!(everyone.name, "Everyone");
    assert!(everyone.members.contains(&admin) && everyone.members.contains(&late));
    assert!(world.tenant.apps()[0].groups.contains(&everyone.id));
}

#[tokio::test]
async fn faults_are_switched_on_and_off_and_keep_their_measure() {
    use crate::sandbox::okta::{Fault, TenantFault};
    let world = world();
    let client_id = &world.app.client_id;
    let console = Console::open(&world).await;
    world.tenant.set_faults(client_id, &[Fault::TokenSlow { ms: 7 }]).unwrap();
    let path = format!("/admin/faults/{client_id}");
    let page = console.get(&path).await.body;
    let value = "{&#34;token_slow&#34;:{&#34;ms&#34;:7}}";
    assert!(page.contains(&format!("value=\"{value}\" checked")), "{page}");
    assert_eq!(page.matches("name=\"fault\"").count(), all(Fault::ALL));
    let fields = [("fault", "\"wrong_nonce\""), ("fault", "\"nonsense\""), ("too_many", "error")];
    console.press(&path, &fields).await;
    let app = &world.tenant.apps()[0];
    assert_eq!(app.faults, [Fault::WrongNonce]);
    assert_eq!(
        app.groups_claim.as_ref().unwrap().too_many,
        crate::sandbox::okta::TooManyGroups::Error
    );
    console.press("/admin/faults", &[("fault", "\"keys_empty\"")]).await;
    assert!(world.tenant.has_fault(TenantFault::KeysEmpty));
    console.press("/admin/faults", &[]).await;
    assert!(!world.tenant.has_fault(TenantFault::KeysEmpty));
    console.press("/admin/keys", &[("action", "rotate")]).await;
}

/// How many faults a list has.
fn all<K>(places: &[(&str, &[K])]) -> usize {
    places.iter().map(|(_, faults)| faults.len()).sum()
}
