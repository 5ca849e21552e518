//! Which requests to the viewer's page get an answer: decided from their headers. Pure.
//!
//! The page is on the technician's own machine, where other programs, other users and every web page in the
//! browser can reach it too. A page elsewhere that has its name resolve to 127.0.0.1 (DNS rebinding) sends a
//! foreign `Host`; one that sends requests across origins a foreign `Origin`; neither gets an answer. Other
//! users of the machine lack the one-time token, which only the terminal and the browser know, and the cookie that the
//! browser got for it.

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;

/// Bytes of a token and of a cookie.
pub const SECRET: usize = 32;

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestPurpose {
    /// The page's files, which are no secret.
    Page,
    /// To exchange the token for the cookie.
    Enter,
    /// A report, which only the technician may see.
    Inside,
    /// To open the page's WebSocket.
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
    /// Value of `Cookie`.
    pub cookie: Option<&'a str>,
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
    /// The token was used already, or is another one.
    #[error("this link was used already, or belongs to a session that is over")]
    Token,
    /// The cookie is missing or another one.
    #[error("open the link that the terminal shows")]
    Cookie,
}

/// Decides which requests to one viewer's page get an answer.
pub struct RequestGuard {
    host: String,
    origin: String,
    cookie_name: String,
    token: Option<String>,
    cookie: String,
}

impl core::fmt::Debug for RequestGuard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RequestGuard({})", self.host)
    }
}

impl RequestGuard {
    /// The guard of a server on 127.0.0.1. `token` and `cookie` must be random.
    pub fn new(port: u16, token: [u8; SECRET], cookie: [u8; SECRET]) -> Self {
        Self {
            host: format!("127.0.0.1:{port}"),
            origin: format!("http://127.0.0.1:{port}"),
            // Cookies know no ports: viewers of two sessions must not overwrite each other's.
            cookie_name: format!("nearhand-{port}"),
            token: Some(HEXLOWER.encode(&token)),
            cookie: HEXLOWER.encode(&cookie),
        }
    }

    /// The address to open; the token stands where no browser sends it anywhere.
    pub fn url(&self) -> String {
        format!("{}/#{}", self.origin, self.token.as_deref().unwrap_or_default())
    }

    /// Whether a request gets an answer.
    ///
    /// # Errors
    /// [`RequestRefused`]: the host or the origin is another, or the cookie is missing or wrong; it says which.
    pub fn admits(
        &self,
        purpose: RequestPurpose,
        headers: &RequestHeaders<'_>,
    ) -> Result<(), RequestRefused> {
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
        if matches!(purpose, RequestPurpose::Inside | RequestPurpose::Socket)
            && !self.has_cookie(headers.cookie)
        {
            return Err(RequestRefused::Cookie);
        }
        Ok(())
    }

    /// Exchanges the token, once, for the value of the `Set-Cookie` header.
    ///
    /// # Errors
    /// [`RequestRefused::Token`]: the token is wrong, or it was used already.
    pub fn enter(&mut self, token: &str) -> Result<String, RequestRefused> {
        let right = self.token.as_deref().is_some_and(|mine| same(mine, token));
        if !right {
            return Err(RequestRefused::Token);
        }
        self.token = None;
        Ok(format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name, self.cookie))
    }

    fn has_cookie(&self, header: Option<&str>) -> bool {
        let pairs = header.unwrap_or_default().split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().any(|(name, value)| name == self.cookie_name && same(value, &self.cookie))
    }
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: RequestHeaders<'_> = RequestHeaders {
        host: Some("127.0.0.1:4000"),
        origin: Some("http://127.0.0.1:4000"),
        site: Some("same-origin"),
        cookie: None,
    };

    fn new_guard() -> RequestGuard {
        RequestGuard::new(4000, [7; SECRET], [9; SECRET])
    }

    #[test]
    fn the_token_is_good_once_and_gives_the_cookie() {
        let mut guard = new_guard();
        let url = guard.url();
        let token = url.strip_prefix("http://127.0.0.1:4000/#").unwrap();
        assert_eq!(token.len(), 2 * SECRET);
        assert_eq!(guard.enter(""), Err(RequestRefused::Token));
        assert_eq!(guard.enter(&token[1..]), Err(RequestRefused::Token));
        let set = guard.enter(token).unwrap();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
        assert_eq!(guard.enter(token), Err(RequestRefused::Token));
        assert_eq!(guard.enter(""), Err(RequestRefused::Token), "a used token is not an empty one");

        let cookie = set.split(';').next().unwrap();
        let with = |cookie| RequestHeaders { cookie, ..OURS };
        assert_eq!(guard.admits(RequestPurpose::Socket, &with(Some(cookie))), Ok(()));
        let among_others = format!("a=b; {cookie};c=d");
        assert_eq!(guard.admits(RequestPurpose::Inside, &with(Some(&among_others))), Ok(()));
        for wrong in
            [None, Some(""), Some("nearhand-4000="), Some("nearhand-4000=00"), Some("nearhand-4001=00")]
        {
            assert_eq!(
                guard.admits(RequestPurpose::Socket, &with(wrong)),
                Err(RequestRefused::Cookie),
                "{wrong:?}"
            );
            assert_eq!(
                guard.admits(RequestPurpose::Inside, &with(wrong)),
                Err(RequestRefused::Cookie),
                "{wrong:?}"
            );
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
            for purpose in
                [RequestPurpose::Page, RequestPurpose::Enter, RequestPurpose::Inside, RequestPurpose::Socket]
            {
                assert_eq!(
                    guard.admits(purpose, &RequestHeaders { host, ..OURS }),
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
            for purpose in
                [RequestPurpose::Page, RequestPurpose::Enter, RequestPurpose::Inside, RequestPurpose::Socket]
            {
                assert_eq!(
                    guard.admits(purpose, &RequestHeaders { origin, ..OURS }),
                    Err(RequestRefused::Origin),
                    "{origin:?}"
                );
            }
        }
        let without = RequestHeaders { origin: None, ..OURS };
        assert_eq!(guard.admits(RequestPurpose::Page, &without), Ok(()));
        assert_eq!(guard.admits(RequestPurpose::Enter, &without), Err(RequestRefused::Origin));
        assert_eq!(guard.admits(RequestPurpose::Socket, &without), Err(RequestRefused::Origin));
        let elsewhere = RequestHeaders { site: Some("cross-site"), origin: None, ..OURS };
        assert_eq!(guard.admits(RequestPurpose::Page, &elsewhere), Ok(()), "a link may stand anywhere");
        assert_eq!(guard.admits(RequestPurpose::Inside, &elsewhere), Err(RequestRefused::Origin));
        assert_eq!(
            guard.admits(RequestPurpose::Enter, &RequestHeaders { site: Some("same-site"), ..OURS }),
            Err(RequestRefused::Origin)
        );
    }
}
