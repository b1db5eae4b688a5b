//! Profiles from elsewhere keep their ids.

use serde_json::json;

use vestibule::manifest::parse;

use super::{applied, planned};
use crate::support::{World, both_engines};

both_engines! {
    async fn a_profile_from_elsewhere_keeps_its_id_at_the_first_sign_in(world: World) {
        let app = world.app();
        let seeded = &world.demo.seeded;
        // `sub` is the user's id at Okta.
        let users = world.demo.tenant.users();
        let ada = users.iter().find(|user| user.email == "ada@acme.example").unwrap();
        let profile = "prof_01HZZZZZZZZZZZZZZZZZZZZZZZ";
        let text = format!(
            "version: 1
environments:
- name: Demo
  organizations:
  - name: Acme
    connections:
    - name: Acme Okta
      id: {}
      type: OktaOIDC
      profiles:
      - {{ id: {profile}, idp_id: {}, email: old@acme.example }}
",
            seeded.connection_id, ada.id
        );
        let manifest = parse(&text).unwrap();
        assert!(applied(app, &manifest, false).await.failures.is_empty());
        assert!(planned(app, &manifest, false).await.unwrap().is_empty());
        let signed_in = world.demo.login("ada@acme.example").await.unwrap();
        assert_eq!(signed_in["id"], profile);
        assert_eq!(signed_in["email"], "ada@acme.example");
        assert_eq!(signed_in["role"], json!({ "slug": "admin" }));
        assert!(planned(app, &manifest, false).await.unwrap().is_empty());

        let other = parse(&text.replace(profile, "prof_01HZZZZZZZZZZZZZZZZZZZZZZY")).unwrap();
        let outcome = applied(app, &other, false).await;
        let [failure] = &outcome.failures[..] else { panic!("{:?}", outcome.failures) };
        assert!(failure.error.to_string().contains(profile), "{}", failure.error);
    }
}
