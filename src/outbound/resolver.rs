//! From names to addresses.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;

/// How many addresses of one name are looked at.
const MAX_ADDRESSES: usize = 32;

/// Where the addresses of a name come from.
#[derive(Clone, Debug, Default)]
pub enum Resolver {
    /// The operating system's resolver.
    #[default]
    System,
    /// Answers written down beforehand: tests of rebinding and of mixed answers.
    Fixed(FixedNames),
}

/// Names with the answers they give, one after the other; the last one stays.
#[derive(Clone, Debug, Default)]
pub struct FixedNames(Arc<Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>>);

impl FixedNames {
    /// Adds one more answer for a name.
    #[must_use]
    pub fn with(self, name: &str, answer: &[IpAddr]) -> Self {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.entry(name.to_owned()).or_default().push_back(answer.to_vec());
        drop(names);
        self
    }

    fn answer(&self, name: &str) -> Vec<IpAddr> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answers) = names.get_mut(name) else { return Vec::new() };
        if answers.len() > 1 {
            return answers.pop_front().unwrap_or_default();
        }
        answers.front().cloned().unwrap_or_default()
    }
}

impl Resolver {
    /// All addresses of a name, at least one.
    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let addresses: Vec<IpAddr> = match self {
            // The port is of no consequence for the lookup.
            Self::System => tokio::net::lookup_host((name, 443))
                .await
                .map_err(|_| Error::Dns)?
                .map(|address| address.ip())
                .take(MAX_ADDRESSES)
                .collect(),
            Self::Fixed(names) => names.answer(name),
        };
        if addresses.is_empty() { Err(Error::Dns) } else { Ok(addresses) }
    }
}
