//! Who may use the admin console, and what cannot be done to it.

use super::console::{ADMIN, Console, PASSWORD, world};
use super::*;

#[tokio::test]
async fn nobody_but_an_administrator_gets_in() {
    let world = world();
    let page = world.get("/admin/people/new?x=y", "").await;
    assert_eq!(page.location(), "/admin/sign-in?to=%2Fadmin%2Fpeople%2Fnew%3Fx%3Dy");
    let ada = form(&[("username", "ada@example.com"), ("password", "correct horse")]);
    let refused = world.post("/admin/sign-in", &[], ada).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.body.contains("not an administrator"));
    assert!(!refused.headers.contains_key(SET_COOKIE));
    let person = form(&[("username", ADMIN), ("password", "wrong")]);
    assert_eq!(world.post("/admin/sign-in", &[], person).await.status, StatusCode::UNAUTHORIZED);
    for to in ["//evil.example", "/admin/\\evil", "https://evil.example/admin/", "/login"] {
        let fields = form(&[("username", ADMIN), ("password", PASSWORD), ("to", to)]);
        let answer = world.post("/admin/sign-in", &[], fields).await;
        assert_eq!(answer.location(), "/admin/dashboard", "{to}");
    }
    // A person's session at the tenant is none of the console.
    let cookie = world.session().await;
    assert_eq!(world.get("/admin/apps", &cookie).await.status, StatusCode::SEE_OTHER);

    let console = Console::open(&world).await;
    let id = world.tenant.users().last().unwrap().id.clone();
    let own = format!("/admin/people/{id}/status");
    console.press(&own, &[("action", "suspend")]).await;
    assert!(!world.tenant.users().last().unwrap().suspended);
    world.tenant.edit_user(&id, |user| user.is_admin = false).unwrap();
    assert_eq!(console.get("/admin/apps").await.status, StatusCode::SEE_OTHER);
    world.tenant.make_admin(&id).unwrap();
    assert_eq!(console.get("/admin/apps").await.status, StatusCode::OK);
    assert_eq!(console.post("/admin/sign-out", &[]).await.location(), "/admin/sign-in");
    assert_eq!(console.get("/admin/apps").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let world = world();
    let console = Console::open(&world).await;
    let groups = world.tenant.groups().len();
    let cookie = (COOKIE.as_str(), console.cookie.as_str());
    let path = "/admin/groups/new";
    for token in ["", "x", "0123456789012345678901234567890123456789012"] {
        let fields = form(&[("csrf", token), ("name", "Forged")]);
        assert_eq!(world.post(path, &[cookie], fields).await.status, StatusCode::FORBIDDEN);
    }
    let fields = form(&[("csrf", &console.csrf), ("name", "Forged")]);
    for site in ["cross-site", "same-site"] {
        let headers = [cookie, ("sec-fetch-site", site)];
        let answer = world.post(path, &headers, fields.clone()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{site}");
    }
    assert_eq!(world.tenant.groups().len(), groups);
    let headers = [cookie, ("sec-fetch-site", "same-origin")];
    assert_eq!(world.post(path, &headers, fields).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn hostile_names_are_shown_as_text_on_every_page() {
    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7}}";
    let world = world();
    let group = world.tenant.create_group(HOSTILE);
    let user = world.tenant.create_user(NewUser {
        email: HOSTILE,
        password: "x",
        given_name: HOSTILE,
        family_name: HOSTILE,
    });
    world.tenant.add_member(&group, &user).unwrap();
    let app = world.tenant.create_app(NewApp {
        name: HOSTILE.to_owned(),
        redirect_uris: vec![HOSTILE.to_owned()],
        post_logout_redirect_uris: vec![HOSTILE.to_owned()],
        users: vec![user.clone()],
        groups: vec![group.clone()],
    });
    let claim = GroupsClaim { name: HOSTILE.to_owned(), ..GroupsClaim::all() };
    world.tenant.set_groups_claim(&app.client_id, Some(claim)).unwrap();
    let console = Console::open(&world).await;
    let of_app = |rest: &str| format!("/admin/apps/{}/{rest}", app.client_id);
    for path in [
        "/admin/dashboard".to_owned(),
        "/admin/people".to_owned(),
        format!("/admin/people/{user}"),
        "/admin/groups".to_owned(),
        format!("/admin/groups/{group}"),
        "/admin/apps".to_owned(),
        "/admin/apps/new/web".to_owned(),
        of_app("general"),
        of_app("general?edit=settings"),
        of_app("sign-on"),
        of_app("sign-on?edit=groups-claim"),
        of_app("assignments?filter=people"),
        of_app("assignments?filter=groups"),
        of_app("assignments/assign?filter=people"),
        of_app("assignments/assign?filter=groups"),
        "/admin/api".to_owned(),
        "/admin/faults".to_owned(),
        format!("/admin/faults/{}", app.client_id),
    ] {
        let answer = console.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.body.contains("<script>") && !answer.body.contains("<img"), "{path}");
        assert!(!answer.body.contains("style=") && !answer.body.contains("<style"), "{path}");
        assert!(answer.body.contains("It is not Okta"), "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    let gone = console.get("/admin/apps/0oanone/general").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}
