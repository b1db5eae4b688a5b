//! Lists that are longer than a page: nothing is lost between the pages, and what a filter narrows is
//! the same as without the index that it uses.

use vestibule::base::id::EventId;
use vestibule::base::page::PageRequest;
use vestibule::base::time::Timestamp;
use vestibule::db::Tx;
use vestibule::model::administrator::Role;
use vestibule::model::event::{self, Filter};
use vestibule::model::role::{self, NewRole};
use vestibule::model::setup_link::{self, Feature, NewSetupLink, Origin};
use vestibule::model::webhook_delivery::{self, Attempt};
use vestibule::model::webhook_endpoint::{self, NewWebhookEndpoint};
use vestibule::model::{organization_domain, permission};

use crate::support::pages::Desk;
use crate::support::{World, both_engines};

/// All pages of a list, from the newest to the oldest: how often `mark` stands on each, and the
/// texts behind it, up to a quote.
async fn walk(desk: &mut Desk<'_>, list: &str, mark: &str) -> Vec<Vec<String>> {
    let (mut pages, mut next) = (Vec::new(), Some(list.to_owned()));
    while let Some(path) = next {
        let page = desk.get(&path).await.text();
        let found = page.split(mark).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
        pages.push(found.map(str::to_owned).collect());
        assert!(pages.len() < 9, "a circle");
        next = page.split("<a ").find(|tag| tag.contains("rel=\"next\"")).map(|tag| {
            let (_, rest) = tag.split_once("href=\"").unwrap();
            rest.split_once('"').unwrap().0.replace("&#38;", "&")
        });
    }
    pages
}

/// The lengths of the pages.
fn lengths(pages: &[Vec<String>]) -> Vec<usize> {
    pages.iter().map(Vec::len).collect()
}

async fn slugs(world: &World) -> Vec<String> {
    let list = async |tx: &mut Tx| role::list(tx).await;
    let roles = world.app().db.read(&world.caller(), list).await.unwrap();
    roles.into_iter().map(|role| role.slug).collect()
}

async fn make_roles(world: &World, count: usize) {
    let make = async move |tx: &mut Tx| {
        for n in 0..count {
            let (slug, name) = (format!("team-{n}"), format!("Team {n}"));
            let new = NewRole { slug, name, description: None, resource_type_slug: None };
            role::create(tx, None, &new).await?;
        }
        // A gap in the priorities.
        role::delete(tx, None, "team-3").await
    };
    world.app().db.write(&world.caller(), make).await.unwrap();
}

both_engines! {
    async fn roles_are_moved_over_the_border_of_a_page(world: World) {
        make_roles(&world, 33).await;
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/roles");
        let mark = format!("href=\"{list}/role/");
        let pages = walk(&mut desk, &list, &mark).await;
        assert_eq!(lengths(&pages), [25, 10]);
        let before = slugs(&world).await;
        assert_eq!(pages.concat(), before);

        let second = format!("{list}?after=24");
        let shown = desk.get(&second).await.text();
        assert!(shown.contains("name=\"first\" value=\"24\""));
        let mut fields = vec![("first", "24")];
        fields.extend(before[24..].iter().map(|slug| ("slug", slug.as_str())));
        let up = format!("up:{}", before[25]);
        fields.push(("move", &up));
        let moved = desk.submit(&second, &format!("{list}/order"), &fields).await;
        assert_eq!(moved.status, 303);
        assert!(moved.location().starts_with(&format!("{list}?after=24&")), "{}", moved.location());
        let mut expected = before.clone();
        expected.swap(24, 25);
        assert_eq!(slugs(&world).await, expected);
        let stale = desk.submit(&second, &format!("{list}/order"), &fields[..9]).await;
        assert_eq!(stale.status, 303, "the same places hold the same roles");
        fields[0].1 = "23";
        let stale = desk.submit(&second, &format!("{list}/order"), &fields).await;
        assert_eq!(stale.status, 422, "other roles stand there");
        fields[0].1 = "18446744073709551615";
        let far = desk.submit(&second, &format!("{list}/order"), &fields).await;
        assert_eq!(far.status, 422);
    }

    async fn permissions_have_pages_and_a_role_keeps_those_it_has(world: World) {
        let make = async |tx: &mut Tx| {
            for n in 0..130 {
                let new = permission::NewPermission {
                    slug: format!("thing-{n}:read"),
                    name: format!("Read thing {n}"),
                    description: None,
                    resource_type_slug: None,
                };
                permission::create(tx, &new).await?;
            }
            Ok(())
        };
        world.app().db.write(&world.caller(), make).await.unwrap();
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/roles/permissions");
        let mark = format!("href=\"{list}/");
        let pages = walk(&mut desk, &list, &mark).await;
        assert_eq!(lengths(&pages), [25, 25, 25, 25, 25, 5]);
        let page = desk.get(&desk.path("/roles/role/engineer")).await.text();
        assert_eq!(page.matches("name=\"permission\"").count(), 130);
    }

    async fn links_and_domains_and_roles_of_an_organization_have_pages(world: World) {
        make_roles(&world, 30).await;
        let id = world.demo.seeded.organization_id.clone();
        let make = async move |tx: &mut Tx| {
            for n in 0..30 {
                let new = NewSetupLink {
                    organization_id: id.clone(),
                    origin: Origin::Dashboard,
                    features: vec![Feature::Sso],
                    lifetime_ms: None,
                    connection_type: None,
                    recipients: Vec::new(),
                    return_url: None,
                    success_url: None,
                };
                setup_link::create(tx, &new).await?;
                organization_domain::create(tx, &id, &format!("brand-{n}.example"), false).await?;
            }
            Ok(())
        };
        world.app().db.write(&world.caller(), make).await.unwrap();
        let mut desk = world.desk(Role::Developer).await;
        let one = desk.path(&format!("/organizations/{}", world.demo.seeded.organization_id));
        let links = format!("{one}/setup-links");
        let mark = format!("href=\"{links}/");
        let pages = walk(&mut desk, &links, &mark).await;
        assert_eq!(lengths(&pages), [25, 5]);
        let mark = "aria-label=\"Remove ";
        let pages = walk(&mut desk, &one, mark).await;
        assert_eq!(lengths(&pages), [25, 6]);
        assert_eq!((pages[0][0].as_str(), pages[1][5].as_str()), ("brand-29.example", "acme.example"));
        let pages = walk(&mut desk, &format!("{one}/roles"), "data-label=\"Slug").await;
        assert_eq!(lengths(&pages), [25, 7]);
    }

    async fn webhook_endpoints_and_their_deliveries_have_pages(world: World) {
        let sealer = world.app().sealer.clone();
        let make = async move |tx: &mut Tx| {
            let attempt = Attempt { response_status: Some(200), problem: None };
            for n in 0..30 {
                let endpoint_url = format!("https://app-{n}.example.com/webhooks");
                let new = NewWebhookEndpoint { endpoint_url, events: vec!["role.created".to_owned()] };
                let id = webhook_endpoint::create(tx, &sealer, &new).await?.id;
                for _ in 0..n {
                    let event: EventId = tx.new_id();
                    let event = (&event, "role.created");
                    webhook_delivery::first(tx, &id, event, (&attempt, 0.0)).await?;
                }
            }
            Ok(())
        };
        world.app().db.write(&world.caller(), make).await.unwrap();
        let mut desk = world.desk(Role::Support).await;
        let list = desk.path("/webhooks");
        let pages = walk(&mut desk, &list, &format!("href=\"{list}/")).await;
        assert_eq!(lengths(&pages), [25, 5]);
        let newest = format!("{list}/{}", pages[0][0]);
        let pages = walk(&mut desk, &newest, "data-label=\"State").await;
        assert_eq!(lengths(&pages), [25, 4]);
    }

    async fn events_of_a_span_of_time_are_found_across_gaps(world: World) {
        let hour = 60 * 60 * 1000;
        let mut at: Vec<(Timestamp, String)> = Vec::new();
        for n in 0..12 {
            at.push((world.clock.now(), format!("brand-{n}.example")));
            let (id, domain) = (world.demo.seeded.organization_id.clone(), at[n].1.clone());
            let make = async move |tx: &mut Tx| {
                organization_domain::create(tx, &id, &domain, false).await.map(drop)?;
                let gone = "DELETE FROM events WHERE name = 'organization_domain.created' AND
                            position % 3 = 0";
                tx.execute(gone, &[]).await
            };
            world.app().db.write(&world.caller(), make).await.unwrap();
            world.clock.advance_ms(hour);
        }
        let all = found(&world, None, None).await;
        assert!(all.len() > 4 && all.len() < 12, "{all:?}");
        for from in 0..12 {
            for until in from..12 {
                let inside = |domain: &String| {
                    at[from..until].iter().any(|(_, known)| known == domain)
                };
                let expected: Vec<String> = all.iter().filter(|it| inside(it)).cloned().collect();
                let (start, end) = (Some(at[from].0), Some(at[until].0));
                assert_eq!(found(&world, start, end).await, expected, "{from} to {until}");
            }
        }
        let past = Timestamp::from_ms(0);
        assert!(found(&world, None, Some(past)).await.is_empty());
        assert_eq!(found(&world, Some(past), None).await, all);
        assert!(found(&world, Some(world.clock.now()), None).await.is_empty());
    }
}

/// The domains whose creation was recorded in this span, the oldest first.
async fn found(world: &World, start: Option<Timestamp>, end: Option<Timestamp>) -> Vec<String> {
    let filter = Filter {
        names: vec!["organization_domain.created".to_owned()],
        range_start: start,
        range_end: end,
        ..Filter::default()
    };
    let read = async move |tx: &mut Tx| {
        let request = PageRequest { limit: 100, ..PageRequest::default() };
        event::list(tx, &filter, &request).await
    };
    let page = world.app().db.read(&world.caller(), read).await.unwrap();
    let domain = |event: &event::Event| {
        let data: serde_json::Value = serde_json::from_str(event.data.get()).unwrap();
        data["domain"].as_str().unwrap().to_owned()
    };
    let mut domains: Vec<String> = page.data.iter().map(domain).collect();
    domains.retain(|domain| domain.starts_with("brand-"));
    domains.reverse();
    domains
}
