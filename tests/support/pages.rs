//! Pages of ours as a browser without scripts uses them: links, forms, and the administrator in
//! front of it.

use url::Url;

use vestibule::base::Caller;
use vestibule::base::secret::Secret;
use vestibule::model::administrator::{self, NewAdministrator, Role};

use super::World;
use super::http::{Answer, Browser, Request};

/// An administrator's browser at the dashboard.
pub struct Desk<'a> {
    pub world: &'a World,
    pub browser: Browser,
}

impl World {
    /// Signs a new administrator of this role in.
    pub async fn desk(&self, role: Role) -> Desk<'_> {
        let session = self.staff_session(role).await;
        let mut browser = Browser::default();
        browser.keep(&self.url("/"), "vestibule-administrator", session.expose());
        Desk { world: self, browser }
    }

    /// The session of a new administrator of this role.
    pub async fn staff_session(&self, role: Role) -> Secret {
        let unique = vestibule::base::secret::random_alphanumeric(8);
        let email = format!("{}-{unique}@staff.example", role.as_str());
        let new = NewAdministrator { email, name: "Sam Staff".to_owned(), role };
        let nobody = Caller::anonymous();
        let secret = self.app().db.write(&nobody, async move |tx| {
            let administrator = administrator::create(tx, &new).await?;
            administrator::begin_session(tx, &administrator.id, (None, None)).await
        });
        secret.await.expect("an administrator")
    }
}

impl Desk<'_> {
    /// A path below the demo's environment, such as `/organizations`.
    pub fn path(&self, below: &str) -> String {
        format!("/dashboard/{}{below}", self.world.demo.seeded.environment_id)
    }

    /// Opens a page by its path.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.browser.get(&self.world.url(path)).await
    }

    /// Opens the page at `at`, as a person does, and sends a form of it to `action` with these
    /// fields and the page's token.
    pub async fn submit(&mut self, at: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(at).await;
        let token =
            csrf(&page.text()).unwrap_or_else(|| panic!("no form at {at}: {}", page.text()));
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        self.post(action, &all).await
    }

    /// Sends a form without having seen a page.
    pub async fn post(&mut self, action: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post_form(&self.world.url(action), fields);
        self.browser.send(request.header("sec-fetch-site", "same-origin")).await
    }
}

/// The token of the last form of a page: the first belongs to the frame.
pub fn csrf(page: &str) -> Option<String> {
    let (_, rest) = page.rsplit_once("name=\"csrf\" value=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// A URL of the page, by its path or whole.
pub fn follow(world: &World, location: &str) -> Url {
    world.url("/").join(location).expect("a URL")
}
