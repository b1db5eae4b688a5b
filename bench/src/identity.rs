//! The made-up users. `idp` and `drive` derive them from the same number, so that the driver
//! knows which profile a login must end with before it starts.

/// The cookie in which a virtual browser carries its session at the identity provider.
pub const SESSION_COOKIE: &str = "idp_user";

pub struct User {
    pub sub: String,
    pub email: String,
    pub name: String,
    pub given_name: String,
    pub family_name: String,
    pub groups: Vec<String>,
}

impl User {
    pub fn numbered(n: u64) -> Self {
        let given_name = format!("Given{n}");
        let family_name = format!("Family{n}");
        Self {
            sub: format!("00u{n:017}"),
            email: format!("user{n}@example.com"),
            name: format!("{given_name} {family_name}"),
            given_name,
            family_name,
            groups: vec!["Everyone".into(), format!("team-{}", n % 20), format!("site-{}", n % 7)],
        }
    }
}
