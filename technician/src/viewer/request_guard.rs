//! Who may come in to the viewer's page: decided from a request's headers, without a socket.
//!
//! The page is on the technician's own machine, where other programs, other users and every web page in the
//! browser can reach it too. A page elsewhere that has its name resolve to 127.0.0.1 (DNS rebinding) sends a
//! foreign `Host`; one that sends requests across origins a foreign `Origin`; neither gets an answer. Who else is
//! on the machine lacks the one-time token, which only the terminal and the browser were told, or the cookie that
//! was exchanged for it.

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq;

/// Bytes of a token and of a cookie.
pub const SECRET: usize = 32;

/// What a request wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// The page's files, which are no secret.
    Page,
    /// To exchange the token for the cookie.
    Enter,
    /// What only the technician may see.
    Inside,
    /// The conversation with the page.
    Socket,
}

/// The headers that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Headers<'a> {
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub site: Option<&'a str>,
    /// `Cookie`.
    pub cookie: Option<&'a str>,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Asked under another name.
    #[error("this page has one address only, and it is another")]
    Host,
    /// Asked by another page.
    #[error("another page asked for this")]
    Origin,
    /// The link was used, or is another one.
    #[error("this link was used already, or belongs to a session that is over")]
    Token,
    /// Without the cookie.
    #[error("open the link that the terminal shows")]
    Cookie,
}

/// The way in to one viewer.
pub struct Door {
    host: String,
    origin: String,
    cookie_name: String,
    token: Option<String>,
    cookie: String,
}

impl core::fmt::Debug for Door {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Door({})", self.host)
    }
}

impl Door {
    /// For a server on 127.0.0.1, with its secrets drawn at random.
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
    /// [`Refused`].
    pub fn admits(&self, wish: Wish, headers: &Headers<'_>) -> Result<(), Refused> {
        if headers.host != Some(self.host.as_str()) {
            return Err(Refused::Host);
        }
        let origin_needed = matches!(wish, Wish::Enter | Wish::Socket);
        match headers.origin {
            Some(origin) if origin == self.origin => {}
            None if !origin_needed => {}
            _ => return Err(Refused::Origin),
        }
        // `none`: typed, or opened by the terminal. The link itself may stand in another page, whose browser then
        // says `cross-site`: it gets the files and no further.
        let same_site = matches!(headers.site, None | Some("same-origin" | "none"));
        if wish != Wish::Page && !same_site {
            return Err(Refused::Origin);
        }
        if matches!(wish, Wish::Inside | Wish::Socket) && !self.has_cookie(headers.cookie) {
            return Err(Refused::Cookie);
        }
        Ok(())
    }

    /// Exchanges the token, once, for the value of `Set-Cookie`.
    ///
    /// # Errors
    /// [`Refused::Token`].
    pub fn enter(&mut self, token: &str) -> Result<String, Refused> {
        let right = self.token.as_deref().is_some_and(|mine| same(mine, token));
        if !right {
            return Err(Refused::Token);
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

    const OURS: Headers<'_> = Headers {
        host: Some("127.0.0.1:4000"),
        origin: Some("http://127.0.0.1:4000"),
        site: Some("same-origin"),
        cookie: None,
    };

    fn door() -> Door {
        Door::new(4000, [7; SECRET], [9; SECRET])
    }

    #[test]
    fn the_token_is_good_once_and_gives_the_cookie() {
        let mut door = door();
        let url = door.url();
        let token = url.strip_prefix("http://127.0.0.1:4000/#").unwrap();
        assert_eq!(token.len(), 2 * SECRET);
        assert_eq!(door.enter(""), Err(Refused::Token));
        assert_eq!(door.enter(&token[1..]), Err(Refused::Token));
        let set = door.enter(token).unwrap();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
        assert_eq!(door.enter(token), Err(Refused::Token));
        assert_eq!(door.enter(""), Err(Refused::Token), "a used token is not an empty one");

        let cookie = set.split(';').next().unwrap();
        let with = |cookie| Headers { cookie, ..OURS };
        assert_eq!(door.admits(Wish::Socket, &with(Some(cookie))), Ok(()));
        let among_others = format!("a=b; {cookie};c=d");
        assert_eq!(door.admits(Wish::Inside, &with(Some(&among_others))), Ok(()));
        for wrong in
            [None, Some(""), Some("nearhand-4000="), Some("nearhand-4000=00"), Some("nearhand-4001=00")]
        {
            assert_eq!(door.admits(Wish::Socket, &with(wrong)), Err(Refused::Cookie), "{wrong:?}");
            assert_eq!(door.admits(Wish::Inside, &with(wrong)), Err(Refused::Cookie), "{wrong:?}");
        }
    }

    #[test]
    fn other_names_and_other_pages_get_nothing() {
        let door = door();
        for host in [
            None,
            Some(""),
            Some("localhost:4000"),
            Some("127.0.0.1"),
            Some("evil.example:4000"),
            Some("127.0.0.1:4001"),
        ] {
            for wish in [Wish::Page, Wish::Enter, Wish::Inside, Wish::Socket] {
                assert_eq!(door.admits(wish, &Headers { host, ..OURS }), Err(Refused::Host), "{host:?}");
            }
        }
        for origin in [
            Some("null"),
            Some("http://evil.example"),
            Some("http://127.0.0.1:4001"),
            Some("https://127.0.0.1:4000"),
        ] {
            for wish in [Wish::Page, Wish::Enter, Wish::Inside, Wish::Socket] {
                assert_eq!(
                    door.admits(wish, &Headers { origin, ..OURS }),
                    Err(Refused::Origin),
                    "{origin:?}"
                );
            }
        }
        let without = Headers { origin: None, ..OURS };
        assert_eq!(door.admits(Wish::Page, &without), Ok(()));
        assert_eq!(door.admits(Wish::Enter, &without), Err(Refused::Origin));
        assert_eq!(door.admits(Wish::Socket, &without), Err(Refused::Origin));
        let elsewhere = Headers { site: Some("cross-site"), origin: None, ..OURS };
        assert_eq!(door.admits(Wish::Page, &elsewhere), Ok(()), "a link may stand anywhere");
        assert_eq!(door.admits(Wish::Inside, &elsewhere), Err(Refused::Origin));
        assert_eq!(
            door.admits(Wish::Enter, &Headers { site: Some("same-site"), ..OURS }),
            Err(Refused::Origin)
        );
    }
}
