//! Branding: name, colour and logo.

use serde_json::{Value, json};
use url::Url;

use vestibule::model::administrator::Role;
use vestibule::sandbox::okta::TenantFault;

use super::super::support::pages::{Desk, csrf};
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

const ADA: &str = "ada@acme.example";
const BOUNDARY: &str = "a-boundary-of-the-test";

/// Sends the form of the page as a browser does, with a file.
async fn send(desk: &mut Desk<'_>, token: &str, fields: &[(&str, &str)], file: &[u8]) -> Answer {
    let mut body = Vec::new();
    for (name, value) in [&[("csrf", token)], fields].concat() {
        let part = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"logo\"; filename=\"../../x.svg\"\r\n\
         content-type: image/svg+xml\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let url = desk.world.url(&desk.path("/branding"));
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = Request::new("POST", &url).body(&content_type, body);
    desk.browser.send(request.header("sec-fetch-site", "same-origin")).await
}

/// A small picture.
fn png() -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(16, 16).write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

both_engines! {
    async fn dsh_07_a_logo_is_kept_as_our_own_png_and_everything_else_refused(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let page = desk.get(&desk.path("/branding")).await.text();
        let token = csrf(&page).unwrap();
        let fields = [("name", "Acme <i>App</i>"), ("accent", "#ffee00")];
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
        let refused = send(&mut desk, &token, &fields, svg).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("no PNG or JPEG") && refused.text().contains("#ffee00"));
        let huge = vec![0; 3 * 1024 * 1024];
        assert_eq!(send(&mut desk, &token, &fields, &huge).await.status, 413);
        assert_eq!(send(&mut desk, "forged", &fields, &png()).await.status, 403);
        assert_eq!(send(&mut desk, &token, &fields, &png()).await.status, 303);
        let page = desk.get(&desk.path("/branding")).await.text();
        assert!(page.contains("Acme &#60;i&#62;App&#60;/i&#62;"));
        let (_, rest) = page.split_once("<img class=\"logo\" src=\"").unwrap();
        let path = rest.split_once('"').unwrap().0.to_owned();
        let logo = world.browser().get(&world.url(&path)).await;
        assert_eq!((logo.status.as_u16(), logo.header("content-type")), (200, Some("image/png")));
        assert!(logo.header("content-disposition").unwrap().starts_with("attachment"));
        assert!(logo.header("content-security-policy").unwrap().contains("sandbox"));
        assert!(logo.header("cache-control").unwrap().contains("immutable"));
        let other = path.replace(".png", "x.png");
        assert_eq!(world.browser().get(&world.url(&other)).await.status, 404);
    }

    async fn a_colour_that_is_none_is_refused_and_never_reaches_a_style_sheet(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let token = csrf(&desk.get(&desk.path("/branding")).await.text()).unwrap();
        let refused = send(&mut desk, &token, &[("accent", "red;}body{display:none")], &[]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("id=\"error-accent\""));
        assert_eq!(send(&mut desk, &token, &[("accent", "#AA3311")], &[]).await.status, 303);
        let page = desk.get(&desk.path("/branding")).await.text();
        assert!(page.contains("value=\"#aa3311\""));
    }

    async fn the_pages_of_a_login_carry_the_branding_of_their_environment_alone(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let token = csrf(&desk.get(&desk.path("/branding")).await.text()).unwrap();
        let fields = [("name", "Acme <i>App</i>"), ("accent", "#aa3311")];
        assert_eq!(send(&mut desk, &token, &fields, &png()).await.status, 303);
        let path = desk.path("/settings");
        let settings = [("name", "E"), ("role_mode", "single"), ("signin_consent", "always")];
        assert_eq!(desk.submit(&path, &path, &settings).await.status, 303);
        let wrong = [("redirect_uri", "https://evil.example/")];
        let error = world.browser().get(&world.authorize_url(&wrong)).await;
        assert_eq!(error.status, 400);
        let question =
            world.sign_in(&mut world.browser(), &world.authorize_url(&[]), ADA).await;
        for page in [error.text(), question.text()] {
            assert!(page.contains("Acme &#60;i&#62;App&#60;/i&#62;"), "{page}");
            assert!(page.contains("<img class=\"logo\"") && page.contains("/style-"), "{page}");
        }
        let unknown = world.browser().get(&world.authorize_url(&[("client_id", "x")])).await;
        assert!(!unknown.text().contains("Acme"), "{}", unknown.text());
    }

    async fn the_pages_of_a_logout_carry_the_branding_of_their_environment_alone(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let token = csrf(&desk.get(&desk.path("/branding")).await.text()).unwrap();
        let fields = [("name", "Acme <i>App</i>"), ("accent", "#aa3311")];
        assert_eq!(send(&mut desk, &token, &fields, &png()).await.status, 303);
        // Without a logout URI the browser stays here in the end.
        world.change_environment(json!({ "logout_uris": [] })).await;
        let logout_url = async |profile: &Value| {
            let asked = world.authorize_logout(profile).await;
            Url::parse(asked["logout_url"].as_str().unwrap()).unwrap()
        };
        let signed_in = world.signed_in().await;
        let mut browser = signed_in.browser;
        let url = logout_url(&signed_in.profile).await;
        let away = browser.get(&url).await;
        let back = browser.get(&away.next()).await.next();
        let landed = browser.get(&back).await;
        let landed_again = browser.get(&back).await;
        let used = browser.get(&url).await;
        let key = back.path().split('/').nth(3).unwrap();
        let front_channel = format!("/sso/oidc/idp-logout/{key}");
        let front_channel = browser.get(&world.url(&front_channel)).await;
        // And where the identity provider has no logout.
        world.demo.tenant.set_tenant_faults(&[TenantFault::DiscoveryWithoutLogout]);
        world.app().upstream.forget(world.demo.seeded.connection_id.as_str());
        let signed_in = world.signed_in().await;
        let mut browser = signed_in.browser;
        let here = browser.get(&logout_url(&signed_in.profile).await).await;
        for (page, status, words) in [
            (landed, 200, "You are signed out"),
            (landed_again, 200, "You are signed out"),
            (used, 403, "already used"),
            (front_channel, 200, "Nothing more to do here"),
            (here, 200, "You are signed out"),
        ] {
            let text = page.text();
            assert_eq!(page.status.as_u16(), status, "{text}");
            assert!(text.contains(words), "{text}");
            assert!(text.contains("Acme &#60;i&#62;App&#60;/i&#62;"), "{text}");
            assert!(text.contains("<img class=\"logo\"") && text.contains("/style-"), "{text}");
        }
        let unknown_token = format!("/sso/logout?token={}", "t".repeat(43));
        for unknown in [unknown_token.as_str(), "/sso/oidc/unknown/logout/callback"] {
            let page = browser.get(&world.url(unknown)).await.text();
            assert!(page.contains("<h1>") && !page.contains("Acme"), "{page}");
        }
    }
}
