//! What is replaced: kinds of identifiers, the names that are known, and which of them are ordinary words.
//!
//! Must not live here: where in a text an identifier stands (see [`super::forms`] and [`super::names_in_text`]).

/// What a token stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IdentifierKind {
    /// A host name.
    Host,
    /// A user name.
    User,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A hardware address.
    Mac,
    /// The name of a wireless network.
    Ssid,
    /// A serial number.
    Serial,
    /// A device id.
    Device,
    /// An e-mail address.
    Mail,
}

impl IdentifierKind {
    /// The word that the token begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::User => "user",
            Self::Ip => "ip",
            Self::Mac => "mac",
            Self::Ssid => "ssid",
            Self::Serial => "serial",
            Self::Device => "device",
            Self::Mail => "mail",
        }
    }

    pub(super) const ALL: [Self; 8] =
        [Self::Host, Self::User, Self::Ip, Self::Mac, Self::Ssid, Self::Serial, Self::Device, Self::Mail];
}

/// Number of hexadecimal digits after a token's prefix.
pub(super) const DIGITS: usize = 6;

/// Names that say nothing about anybody: they are replaced only where a whole field is the name, since
/// replacing them in texts would make `Debian GNU/Linux` unreadable on a machine called `debian`.
pub(super) const COMMON: &[&str] = &[
    "localhost",
    "root",
    "debian",
    "ubuntu",
    "fedora",
    "linux",
    "windows",
    "admin",
    "administrator",
    "user",
    "guest",
    "test",
    "server",
    "desktop",
    "laptop",
    "pc",
    "host",
    "system",
    "home",
    "nobody",
    "daemon",
    "ip",
    "mac",
    "ssid",
    "serial",
    "device",
    "mail",
    "public",
    "shared",
    "default",
    "lost+found",
    "unknown",
    "none",
    "n/a",
    "not specified",
    "to be filled by o.e.m.",
    "default string",
    "system serial number",
    "0",
];

/// The words of the report's own sentences, one a line: what the checks and rules say. A machine can be called like one
/// of them (`disk`, `memory`); as a part of a sentence the word is then the report's, and a token in its place would spoil the
/// sentence and give the name away.
const OWN_WORDS: &str = include_str!("own_words.txt");
/// Shorter names are everywhere in texts: units, articles, parts of numbers.
const SHORT: usize = 3;

/// Whether a name is replaced only where a whole field is the name.
pub(super) fn is_ordinary(name: &str) -> bool {
    name.chars().count() < SHORT || COMMON.contains(&name) || OWN_WORDS.lines().any(|word| word == name)
}

/// The names that the caller knows to belong to the device and its people. What the report itself tells
/// ([`super::names_told_by`]) is added by itself.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Identifiers {
    /// Host names, with or without their domain; the first label alone is replaced as well.
    pub hostnames: Vec<String>,
    /// Login names and full names of people.
    pub users: Vec<String>,
    /// Names of wireless networks.
    pub ssids: Vec<String>,
    /// Serial numbers and other identifiers of hardware.
    pub serials: Vec<String>,
    /// Nearhand's device ids.
    pub devices: Vec<String>,
}

impl Identifiers {
    /// Adds the names of another.
    pub fn extend(&mut self, other: Self) {
        self.hostnames.extend(other.hostnames);
        self.users.extend(other.users);
        self.ssids.extend(other.ssids);
        self.serials.extend(other.serials);
        self.devices.extend(other.devices);
    }
}

/// `true` when a label says that its value is nothing but the named thing.
pub(super) fn named(label: &str, word: &str) -> bool {
    let label = label.to_ascii_lowercase();
    label == word
        || label.starts_with(&format!("{word} n"))
        || label.ends_with(&format!(" {word}"))
        || label.ends_with(&format!("{word} number"))
}

pub(super) fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// A character of a word. A hyphen is none: `anna` is replaced in `anna-laptop` too.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of the token that the text begins with.
pub(super) fn token_len(text: &str) -> Option<usize> {
    IdentifierKind::ALL.iter().find_map(|kind| {
        let digits = text.strip_prefix(kind.prefix())?.strip_prefix('-')?;
        let hex = digits.chars().take_while(|c| matches!(c, '0'..='9' | 'a'..='f')).count();
        let ends = !digits.chars().nth(DIGITS).is_some_and(is_word);
        (hex == DIGITS && ends).then(|| kind.prefix().len() + 1 + DIGITS)
    })
}

pub(super) fn is_token(text: &str) -> bool {
    token_len(text) == Some(text.len())
}
