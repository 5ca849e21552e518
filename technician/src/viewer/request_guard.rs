//! Which requests to the viewer's page get an answer: decided from their headers. Pure.
//!
//! The page is on the technician's own machine, where other programs, other users and every web page in the
//! browser can reach it too. A page elsewhere that has its name resolve to 127.0.0.1 (DNS rebinding) sends a
//! foreign `Host`; one that sends requests across origins a foreign `Origin`; neither gets an answer. Other
//! users of the machine are told by the kernel, and lack the one-time token, which only this user can read, and the pass
//! that the page got for it. The pass is no cookie, since a browser sends a cookie to every port of 127.0.0.1, where
//! somebody else's program may listen: the page says it as the first message of its WebSocket.

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;

use crate::peer_user::PeerUser;

/// Bytes of a token and of a pass.
pub const SECRET: usize = 32;

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestPurpose {
    /// The page's files, which are no secret.
    Page,
    /// To exchange the token for the pass.
    Enter,
    /// A report, whose address only the page knows.
    Inside,
    /// To open the page's WebSocket, whose first message must be the pass.
    Socket,
}

/// The headers of a request that decide whether it gets an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestHeaders<'a> {
    /// Value of `Host`.
    pub host: Option<&'a str>,
    /// Value of `Origin`.
    pub origin: Option<&'a str>,
    /// Value of `Sec-Fetch-Site`.
    pub site: Option<&'a str>,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestRefused {
    /// The request names another host.
    #[error("this page has one address only, and it is another")]
    Host,
    /// The request comes from another page.
    #[error("another page asked for this")]
    Origin,
    /// The request comes from a program of another user of this machine.
    #[error("this page is for the user who started nearhand")]
    User,
    /// The token was used already, or is another one.
    #[error("this link was used already, or belongs to a session that is over")]
    Token,
}

/// Decides which requests to one viewer's page get an answer.
pub struct RequestGuard {
    host: String,
    origin: String,
    token: Option<String>,
    pass: String,
}

impl core::fmt::Debug for RequestGuard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RequestGuard({})", self.host)
    }
}

impl RequestGuard {
    /// The guard of a server on 127.0.0.1. `token` and `pass` must be random.
    pub fn new(port: u16, token: [u8; SECRET], pass: [u8; SECRET]) -> Self {
        Self {
            host: format!("127.0.0.1:{port}"),
            origin: format!("http://127.0.0.1:{port}"),
            token: Some(HEXLOWER.encode(&token)),
            pass: HEXLOWER.encode(&pass),
        }
    }

    /// The address to open; the token stands where no browser sends it anywhere.
    pub fn url(&self) -> String {
        format!("{}/#{}", self.origin, self.token.as_deref().unwrap_or_default())
    }

    /// Whether a request gets an answer.
    ///
    /// # Errors
    /// [`RequestRefused`]: the user, the host or the origin is another; it says which.
    pub fn admits(
        &self,
        purpose: RequestPurpose,
        headers: &RequestHeaders<'_>,
        peer: PeerUser,
    ) -> Result<(), RequestRefused> {
        if peer == PeerUser::Other {
            return Err(RequestRefused::User);
        }
        if headers.host != Some(self.host.as_str()) {
            return Err(RequestRefused::Host);
        }
        let origin_needed = matches!(purpose, RequestPurpose::Enter | RequestPurpose::Socket);
        match headers.origin {
            Some(origin) if origin == self.origin => {}
            None if !origin_needed => {}
            _ => return Err(RequestRefused::Origin),
        }
        // `none`: typed, or opened by the terminal. The link itself may stand in another page, whose browser then
        // says `cross-site`: it gets the files and no further.
        let same_site = matches!(headers.site, None | Some("same-origin" | "none"));
        if purpose != RequestPurpose::Page && !same_site {
            return Err(RequestRefused::Origin);
        }
        Ok(())
    }

    /// Exchanges the token, once, for the pass.
    ///
    /// # Errors
    /// [`RequestRefused::Token`]: the token is wrong, or it was used already.
    pub fn enter(&mut self, token: &str) -> Result<String, RequestRefused> {
        let right = self.token.as_deref().is_some_and(|mine| same(mine, token));
        if !right {
            return Err(RequestRefused::Token);
        }
        self.token = None;
        Ok(self.pass.clone())
    }

    /// Whether the page that has opened a WebSocket is one that has entered.
    pub fn knows(&self, pass: &str) -> bool {
        same(pass, &self.pass)
    }
}

/// Compares secrets in the same time wherever they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: RequestHeaders<'_> = RequestHeaders {
        host: Some("127.0.0.1:4000"),
        origin: Some("http://127.0.0.1:4000"),
        site: Some("same-origin"),
    };
    const EVERY: [RequestPurpose; 4] =
        [RequestPurpose::Page, RequestPurpose::Enter, RequestPurpose::Inside, RequestPurpose::Socket];

    fn new_guard() -> RequestGuard {
        RequestGuard::new(4000, [7; SECRET], [9; SECRET])
    }

    #[test]
    fn the_token_is_good_once_and_gives_the_pass() {
        let mut guard = new_guard();
        let url = guard.url();
        let token = url.strip_prefix("http://127.0.0.1:4000/#").unwrap();
        assert_eq!(token.len(), 2 * SECRET);
        assert_eq!(guard.enter(""), Err(RequestRefused::Token));
        assert_eq!(guard.enter(&token[1..]), Err(RequestRefused::Token));
        let pass = guard.enter(token).unwrap();
        assert!(pass.len() == 2 * SECRET && pass != token);
        assert_eq!(guard.enter(token), Err(RequestRefused::Token));
        assert_eq!(guard.enter(""), Err(RequestRefused::Token), "a used token is not an empty one");
        assert!(guard.knows(&pass));
        for wrong in ["", token, &pass[1..]] {
            assert!(!guard.knows(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn another_user_of_the_machine_gets_nothing() {
        let guard = new_guard();
        for purpose in EVERY {
            assert_eq!(guard.admits(purpose, &OURS, PeerUser::Other), Err(RequestRefused::User));
            assert_eq!(guard.admits(purpose, &OURS, PeerUser::Unknown), Ok(()));
        }
    }

    #[test]
    fn other_names_and_other_pages_get_nothing() {
        let guard = new_guard();
        for host in [
            None,
            Some(""),
            Some("localhost:4000"),
            Some("127.0.0.1"),
            Some("evil.example:4000"),
            Some("127.0.0.1:4001"),
        ] {
            for purpose in EVERY {
                assert_eq!(
                    guard.admits(purpose, &RequestHeaders { host, ..OURS }, PeerUser::Own),
                    Err(RequestRefused::Host),
                    "{host:?}"
                );
            }
        }
        for origin in [
            Some("null"),
            Some("http://evil.example"),
            Some("http://127.0.0.1:4001"),
            Some("https://127.0.0.1:4000"),
        ] {
            for purpose in EVERY {
                assert_eq!(
                    guard.admits(purpose, &RequestHeaders { origin, ..OURS }, PeerUser::Own),
                    Err(RequestRefused::Origin),
                    "{origin:?}"
                );
            }
        }
        let without = RequestHeaders { origin: None, ..OURS };
        assert_eq!(guard.admits(RequestPurpose::Page, &without, PeerUser::Own), Ok(()));
        assert_eq!(guard.admits(RequestPurpose::Enter, &without, PeerUser::Own), Err(RequestRefused::Origin));
        assert_eq!(
            guard.admits(RequestPurpose::Socket, &without, PeerUser::Own),
            Err(RequestRefused::Origin)
        );
        let elsewhere = RequestHeaders { site: Some("cross-site"), origin: None, ..OURS };
        assert_eq!(
            guard.admits(RequestPurpose::Page, &elsewhere, PeerUser::Own),
            Ok(()),
            "a link may stand anywhere"
        );
        assert_eq!(
            guard.admits(RequestPurpose::Inside, &elsewhere, PeerUser::Own),
            Err(RequestRefused::Origin)
        );
        assert_eq!(
            guard.admits(
                RequestPurpose::Enter,
                &RequestHeaders { site: Some("same-site"), ..OURS },
                PeerUser::Own
            ),
            Err(RequestRefused::Origin)
        );
    }
}
