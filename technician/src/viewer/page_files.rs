//! The page's files, part of the program, and the headers that every answer has.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct PageFile {
    /// The path of its address.
    pub path: &'static str,
    /// Its MIME type.
    pub kind: &'static str,
    /// Its content, part of this program.
    pub bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! file {
    ($path:literal, $kind:expr, $name:literal) => {
        PageFile { path: $path, kind: $kind, bytes: include_bytes!(concat!("page/", $name)) }
    };
}

/// The files of the viewer's page.
pub const FILES: &[PageFile] = &[
    file!("/", HTML, "index.html"),
    file!("/style.css", CSS, "style.css"),
    file!("/icon.svg", "image/svg+xml", "icon.svg"),
    file!("/main.js", SCRIPT, "main.js"),
    file!("/socket.js", SCRIPT, "socket.js"),
    file!("/picture.js", SCRIPT, "picture.js"),
    file!("/screen.js", SCRIPT, "screen.js"),
    file!("/keys.js", SCRIPT, "keys.js"),
    file!("/input.js", SCRIPT, "input.js"),
    file!("/clipboard.js", SCRIPT, "clipboard.js"),
    file!("/panel.js", SCRIPT, "panel.js"),
];

/// The files of the playback page.
pub const PLAYER: &[PageFile] = &[
    file!("/", HTML, "player.html"),
    file!("/style.css", CSS, "style.css"),
    file!("/icon.svg", "image/svg+xml", "icon.svg"),
    file!("/player.js", SCRIPT, "player.js"),
    file!("/socket.js", SCRIPT, "socket.js"),
    file!("/picture.js", SCRIPT, "picture.js"),
    file!("/screen.js", SCRIPT, "screen.js"),
];

/// Nothing from elsewhere, nothing inline; pictures also from memory (the remote pointer).
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A report holds the device's words: it may have its own style, but runs nothing and is cut off from the viewer's
/// page.
pub const REPORT_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer in addition to its type and policy.
pub const HEADERS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];
