use axum::body::{Body, to_bytes};
use http::Request;
use http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use tower::ServiceExt;

use super::*;

/// An application whose token endpoint gives the same answer to everybody, and what was asked.
struct World {
    application: Application,
    asked: Arc<Mutex<Vec<ApplicationRequest>>>,
}

/// An answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    /// The first cookie, as the browser sends it back.
    fn cookie(&self) -> &str {
        self.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap()
    }
}

fn profile() -> Value {
    json!({ "profile": {
        "object": "profile",
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "organization_id": "org_1",
        "connection_type": "OktaOIDC",
        "role": { "slug": "admin" },
        "roles": [{ "slug": "admin" }, { "slug": "auditor" }],
        "groups": ["R&D <core>"],
    }})
}

impl World {
    fn new(answer: Result<Value, String>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let exchange: Exchange = Arc::new(move |request| {
            log.lock().unwrap().push(request);
            let answer = answer.clone();
            Box::pin(async move { answer })
        });
        let configuration = Configuration {
            vestibule_url: Url::parse("http://127.0.0.1:8080/").unwrap(),
            client_id: "client_1".to_owned(),
            api_key: Secret::new("sk_a+b"),
            organization_id: "org_1".to_owned(),
            base_url: Url::parse("http://127.0.0.1:9002").unwrap(),
        };
        let application = Application::new(configuration, exchange, Clock::system());
        Self { application, asked }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.application.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The callback after a sign-in that this browser began.
    async fn call_back(&self, accept: &str) -> Answer {
        let login = self.send("GET", "/login", &[]).await;
        let (_, state) = login.cookie().split_once('=').unwrap();
        let path = format!("/callback?code=c%2B1&state={state}");
        let headers = [(COOKIE.as_str(), login.cookie()), ("accept", accept)];
        self.send("GET", &path, &headers).await
    }
}

#[tokio::test]
async fn login_leads_to_vestibule_with_a_state_of_this_browser() {
    let world = World::new(Ok(profile()));
    let home = world.send("GET", "/", &[]).await;
    assert!(home.body.contains("href=\"/login\">Sign in with SSO"));
    let login = world.send("GET", "/login", &[]).await;
    let (name, state) = login.cookie().split_once('=').unwrap();
    assert_eq!(name, "application_state_9002");
    assert_eq!(
        login.location(),
        format!(
            "http://127.0.0.1:8080/sso/authorize?client_id=client_1\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A9002%2Fcallback&response_type=code\
             &organization=org_1&state={state}"
        )
    );
    assert_ne!(world.send("GET", "/login", &[]).await.location(), login.location());
}

#[tokio::test]
async fn the_code_is_redeemed_with_the_api_key_and_the_profile_is_shown() {
    let world = World::new(Ok(profile()));
    let done = world.call_back("text/html").await;
    assert_eq!(done.location(), "/");
    let asked = world.asked.lock().unwrap().clone();
    assert_eq!(asked[0].url.as_str(), "http://127.0.0.1:8080/sso/token");
    assert_eq!(
        asked[0].form.expose(),
        "client_id=client_1&client_secret=sk_a%2Bb&grant_type=authorization_code&code=c%2B1"
    );
    let cookie = [(COOKIE.as_str(), done.cookie())];
    let page = world.send("GET", "/", &cookie).await.body;
    for text in ["Ada Lovelace", "ada@example.com", "org_1", ">admin<", ">auditor<", ">AL<"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(page.contains("R&#38;D &#60;core&#62;") && !page.contains("<core>"));
    world.send("POST", "/logout", &cookie).await;
    assert!(!world.send("GET", "/", &cookie).await.body.contains("Ada"));
}

#[tokio::test]
async fn who_signs_out_leaves_for_vestibule_if_it_says_where_to() {
    let logout_url = "http://127.0.0.1:8080/sso/logout?token=t";
    for (says, location) in [(json!(logout_url), logout_url), (Value::Null, "/")] {
        let mut answer = profile();
        answer["profile"]["id"] = json!("prof_1");
        answer["logout_url"] = says;
        let world = World::new(Ok(answer));
        let done = world.call_back("text/html").await;
        let cookie = [(COOKIE.as_str(), done.cookie())];
        assert_eq!(world.send("POST", "/logout", &cookie).await.location(), location);
        assert!(!world.send("GET", "/", &cookie).await.body.contains("Ada"));
        let asked = world.asked.lock().unwrap().clone();
        assert_eq!(asked[1].url.as_str(), "http://127.0.0.1:8080/sso/logout/authorize");
        assert_eq!(asked[1].form.expose(), "profile_id=prof_1");
        assert_eq!(asked[1].bearer.as_ref().unwrap().expose(), "sk_a+b");
    }
}

#[tokio::test]
async fn a_program_gets_the_profile_as_json() {
    let world = World::new(Ok(profile()));
    let done = world.call_back("application/json").await;
    assert_eq!(done.status, StatusCode::OK);
    let found: Value = serde_json::from_str(&done.body).unwrap();
    assert_eq!(found, profile()["profile"]);
}

#[tokio::test]
async fn a_callback_with_another_state_redeems_nothing() {
    let world = World::new(Ok(profile()));
    let cookie = [(COOKIE.as_str(), "application_state_9002=right")];
    for (path, headers) in [
        ("/callback?code=c&state=wrong", &cookie[..]),
        ("/callback?code=c", &cookie),
        ("/callback?code=c&state=right", &[]),
        ("/callback?code=c", &[]),
        ("/callback?state=right", &cookie),
    ] {
        let answer = world.send("GET", path, headers).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    assert!(world.asked.lock().unwrap().is_empty());
    let right = world.send("GET", "/callback?code=c&state=right", &cookie).await;
    assert_eq!(right.location(), "/");
}

#[tokio::test]
async fn an_error_is_shown_escaped() {
    let world = World::new(Ok(profile()));
    let path = "/callback?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E";
    let page = world.send("GET", path, &[]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains("access_denied") && page.body.contains("&#60;script&#62;"));
    assert!(!page.body.contains("<script"));
    let policy = page.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
}

#[tokio::test]
async fn a_refused_or_unreachable_token_endpoint_is_told() {
    let refused = json!({ "error": "invalid_grant", "error_description": "The code is spent." });
    for (answer, says) in [
        (Ok(refused), ["invalid_grant", "The code is spent."]),
        (Err("connection refused".to_owned()), ["token_request_failed", "connection refused"]),
        (Ok(json!([])), ["token_request_failed", "has no profile"]),
    ] {
        let page = World::new(answer).call_back("text/html").await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(says.iter().all(|text| page.body.contains(text)), "{}", page.body);
    }
}
