//! How much of the interface one token may use at once, so that one program never keeps the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests that are answered at once, for all tokens.
const ALL: usize = 128;
/// The same for one token.
const EACH: usize = 24;

/// Requests that are being answered, by the name of their token.
#[derive(Clone, Default)]
pub(super) struct RequestShares(Arc<Mutex<HashMap<String, usize>>>);

/// Why a request isn't answered now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoShare {
    /// This token has as many as it may.
    Token,
    /// All tokens together have.
    Relay,
}

/// A request that is being answered.
pub(super) struct RequestShare {
    shares: RequestShares,
    token: String,
}

impl RequestShares {
    /// A place for one more.
    pub(super) fn take(&self, token: &str) -> Result<RequestShare, NoShare> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(token).is_some_and(|count| *count >= EACH) {
            return Err(NoShare::Token);
        }
        if taken.values().sum::<usize>() >= ALL {
            return Err(NoShare::Relay);
        }
        *taken.entry(token.to_owned()).or_default() += 1;
        Ok(RequestShare { shares: self.clone(), token: token.to_owned() })
    }
}

impl Drop for RequestShare {
    fn drop(&mut self) {
        let mut taken = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.token) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_leaves_room_for_the_others_and_gives_back_what_it_had() {
        let shares = RequestShares::default();
        let greedy: Vec<_> = (0..EACH).map(|_| shares.take("greedy").unwrap()).collect();
        assert_eq!(shares.take("greedy").err(), Some(NoShare::Token));
        let other = shares.take("other").unwrap();
        drop(greedy);
        drop(shares.take("greedy").unwrap());
        drop(other);
        assert!(shares.0.lock().unwrap().is_empty(), "nothing is kept of tokens that ask nothing");
        let many: Vec<_> = (0..ALL).map(|n| shares.take(&(n / EACH).to_string()).unwrap()).collect();
        assert_eq!(shares.take("new").err(), Some(NoShare::Relay));
        drop(many);
    }
}
