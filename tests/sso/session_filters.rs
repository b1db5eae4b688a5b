//! Lists of login attempts, narrowed by each filter and by several at once.

use vestibule::base::Caller;
use vestibule::base::page::{Order, PageRequest};
use vestibule::model::sso_session::{self, Filter, Origin, Status};

use crate::support::{World, both_engines};

/// The e-mail addresses of the attempts that pass, newest first, from both ends of the list.
async fn emails(world: &World, filter: Filter) -> Vec<String> {
    let caller = world.caller();
    let page = world.app().db.read(&caller, async move |tx| {
        let newest = PageRequest { order: Order::Desc, ..PageRequest::default() };
        let oldest = PageRequest { order: Order::Asc, ..PageRequest::default() };
        let mut found = sso_session::list(tx, &filter, &oldest).await?.data;
        found.reverse();
        let page = sso_session::list(tx, &filter, &newest).await?;
        let ids = |list: &[sso_session::SsoSession]| -> Vec<String> {
            list.iter().map(|session| session.id.to_string()).collect()
        };
        assert_eq!(ids(&found), ids(&page.data));
        Ok(page)
    });
    let page = page.await.unwrap();
    page.data.into_iter().map(|session| session.email.unwrap_or_default()).collect()
}

both_engines! {
    async fn each_filter_of_sessions_finds_its_own_and_no_others(world: World) {
        let began = world.clock.now();
        let code = world.code().await;
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        world.clock.advance_ms(3 * 60 * 60 * 1000);
        let later = world.clock.now();
        let refused = world.authorize_url(&[("provider_scopes", ""), ("response_type", "token")]);
        world.browser().get(&refused).await;
        world.clock.advance_ms(1000);
        world.code_of(&world.authorize_url(&[]), "grace@acme.example").await;

        let (ada, grace, none) = ("ada@acme.example", "grace@acme.example", "");
        let connection_id = Some(world.demo.seeded.connection_id.clone());
        let organization_id = Some(world.demo.seeded.organization_id.clone());
        let all = Filter::default;
        for (filter, found) in [
            (all(), vec![grace, none, ada]),
            (Filter { status: Some(Status::Success), ..all() }, vec![ada]),
            (Filter { status: Some(Status::Failed), ..all() }, vec![none]),
            (Filter { status: Some(Status::TimedOut), ..all() }, vec![]),
            (Filter { status: Some(Status::TestFailed), ..all() }, vec![]),
            (Filter { status: Some(Status::InProgress), ..all() }, vec![grace]),
            (
                Filter {
                    status: Some(Status::InProgress),
                    connection_id: connection_id.clone(),
                    ..all()
                },
                vec![grace],
            ),
            (
                Filter {
                    status: Some(Status::Success),
                    organization_id: organization_id.clone(),
                    email: Some("ADA@acme.example".to_owned()),
                    ..all()
                },
                vec![ada],
            ),
            (Filter { email: Some("ADA@acme.example".to_owned()), ..all() }, vec![ada]),
            (Filter { email: Some("nobody@acme.example".to_owned()), ..all() }, vec![]),
            (Filter { origin: Some(Origin::Application), ..all() }, vec![grace, none, ada]),
            (Filter { origin: Some(Origin::IdentityProvider), ..all() }, vec![]),
            (Filter { range_start: Some(later), ..all() }, vec![grace, none]),
            (Filter { range_end: Some(later), ..all() }, vec![ada]),
            (
                Filter { range_start: Some(began), range_end: Some(later), ..all() },
                vec![ada],
            ),
        ] {
            let told = format!("{filter:?}");
            assert_eq!(emails(&world, filter).await, found, "{told}");
        }
        let elsewhere = Caller::anonymous();
        let filter = Filter { status: Some(Status::Failed), ..all() };
        let page = world.app().db.read(&elsewhere, async move |tx| {
            sso_session::list(tx, &filter, &PageRequest::default()).await
        });
        assert!(page.await.unwrap().data.is_empty());
    }
}
