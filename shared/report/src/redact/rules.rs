//! What announces a secret and what form one has. Each rule is an expression and a judge that says which part
//! of a match goes. The order matters only where one rule's mark (`[redacted]`) is another's value.
//!
//! Counted repetitions are of ASCII only (`(?-u:…)`), which is what tokens are made of: each repetition is a copy
//! of its class, and the class of all letters of the world is 70 KB.
//!
//! Sources of the forms: the issuers' own documentation of their token prefixes (GitHub, GitLab, Slack, AWS,
//! Google, Stripe, OpenAI, npm, PyPI, HashiCorp Vault, DigitalOcean, Tailscale, age), RFC 7468 (PEM), RFC 7519
//! (JWT), RFC 7235 (Authorization), RFC 3986 (userinfo).

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::reach::{is_harmless, is_key_material, is_version, looks_made_up, value};
use super::secret::{SecretCheck, SecretMatch};

/// Words that name a secret, wherever they stand in a name (`DB_PASSWORD`, `clientSecret`).
macro_rules! words {
    () => {
        r"password|passwd|passphrase|passcode|passwort|kennwort|pwd|secret|token|api[ _-]?key|access[ _-]?key|account[_-]?key|private[ _-]?key|signing[_-]?key|encryption[_-]?key|shared[_-]?key|secret[ _-]?key|master[_-]?key|auth[_-]?key|session[_-]?key|session[_-]?id|sessid|credentials?|psk"
    };
}

/// The rules, in order.
pub(super) const RULES: &[(&str, SecretCheck)] = &[
    // PEM and PGP private keys; one that was cut off reaches to the end of the text.
    (
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
        whole,
    ),
    // The tail of one whose beginning was cut off.
    (r"(?:[A-Za-z0-9+/=]{16,}\s+)+[A-Za-z0-9+/=]*\s*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----", whole),
    // PuTTY keys.
    (r"Private-Lines:\s*\d+\s+((?:[A-Za-z0-9+/=]{16,}\s*)+)", group_one),
    // Nearhand's own.
    (r"(?i)nearhand-(?:invite|enroll?|claim)-([\w.~+/=-]+)", group_one),
    (r"AKIA[0-9A-Z]{12,}|ASIA[0-9A-Z]{12,}", whole),
    (r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_(?-u:\w{16,})|gl(?:pat|ptt|rt|dt|cbt)-(?-u:[\w.-]{16,})", whole),
    (r"xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}", whole),
    (r"AIza(?-u:[\w-]{30,})|ya29\.(?-u:[\w-]{16,})|GOCSPX-(?-u:[\w-]{16,})", whole),
    (r"[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,}", whole),
    (r"\beyJ(?-u:[\w-]{6,})\.(?-u:[\w-]{4,})(?:\.(?-u:[\w-]*)){1,4}", whole),
    (
        r"\bsk-[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}|pypi-(?-u:[\w-]{40,})|\bSG\.(?-u:[\w-]{16,})\.(?-u:[\w-]{16,})",
        whole,
    ),
    (
        r"dop_v1_[a-f0-9]{32,}|\bhv[sb]\.(?-u:[\w-]{20,})|AGE-SECRET-KEY-1[A-Za-z0-9]{20,}|tskey-(?-u:[\w-]{10,})",
        whole,
    ),
    (r"\b(?-u:\d{8,10}):AA(?-u:[\w-]{30,})", whole),
    // Webhooks whose address is the secret.
    (
        r"(?i)(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks|webhook\.office\.com/webhookb2)/([^\s]+)",
        value_of_group_one,
    ),
    // scheme://user:password@host
    (r#"[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#"'<>`]+)@"#, userinfo),
    (r#"[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#"'<>`@:]*:[^\s"'<>`]*)@"#, userinfo_with_slash),
    // user:password@host:port, user:password@tcp(host)
    (r#"(?:^|[\s"'=(,])([\w.+%-]+):([^\s@/"']+)@(?:[\w.-]+(?::\d|/|\()|[(/\[])"#, bare_userinfo),
    (r#"(?i)authorization\\?["']?[ \t]*[:=][ \t]*\\?["']?"#, authorization),
    (r"(?i)\b(?:bearer|basic|negotiate|ntlm)[ \t]+((?-u:[\w.~+/=-]{8,}))", made_up_group_one),
    (
        r#"(?i)\b(?:set-)?cookie2?\\?["']?[ \t]*[:=][ \t]*\\?["']?((?:[^\s;"']+|"[^"]*")(?:;[ \t]*(?:[^\s;"']+|"[^"]*"))*)"#,
        group_one,
    ),
    (
        r#"(?i)[?&;](?:key|sig|signature|code|auth|ticket|sid|jwt|sas|hmac|pass|x-amz-(?:signature|security-token|credential)|[\w.-]*(?:token|secret|password|pwd|api[_-]?key)[\w.-]*)=([^&\s#"'<>]+)"#,
        value_of_group_one,
    ),
    (
        concat!(
            r#"(?i)(^|[^\w.-])([\w.-]*?)("#,
            words!(),
            r#")([\w.-]*)(\\?["'\]]?[ \t]*(?:=>|:=|[=:]|%3[dD])[ \t]*)"#
        ),
        pair,
    ),
    (r#"(?i)(?:\b|_)(?:pass|pin|puk|otp|totp)\\?["']?(?:[ \t]*=[ \t]*|[ \t]*:[ \t]*)"#, short_word_pair),
    (concat!(r"(?i)(?:^|[\s\x22'])--?[\w-]*(?:", words!(), r"|pass)s?[ \t]+"), flag),
    (r"(?i)(?:^|\s)(?:-u|-U|--user|--proxy-user|--userpwd|--login)[ =]?\s*[\x22']?[^\s:%\x22']+[:%]", flag),
    (
        r"(?i)\b(?:mysql|mariadb|mysqldump|mysqladmin|mysqlimport|mariadb-dump|sshpass)\b[^\n|;&]*?\s-p[ \t]?",
        flag,
    ),
    (concat!(r"(?i)<(?:\w*:)?\w*(?:", words!(), r")\w*>([^<]+)<"), group_one),
    (r"(?i)\bidentified\s+by\s+", flag),
    (concat!(r"(?i)\b(?:", words!(), r"|pin)(?:[ \t]+(?:is|was|ist|=)[ \t]+|[ \t]+)"), sentence),
    (
        r#"(?i)(^|[\w.-]+[ \t]+|[\w.-]*)\b(?:key|keys|sig|signature|auth|cred|creds|code|seed|salt|mnemonic|sas)\\?["']?[ \t]*[:= ][ \t]*\\?["']?([A-Za-z0-9+/=_-]{24,})"#,
        key_material,
    ),
];

/// The end of a label that names a secret outright: `API token`, `WLAN password`.
static SECRET_LABEL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(r"(?i)(?:", words!(), r"|\bpin|\bcookie|authorization)[ :=]*$")).ok()
});

/// `true` when the value of this label is a secret.
pub(super) fn names_a_secret(label: &str) -> bool {
    SECRET_LABEL.as_ref().is_none_or(|pattern| pattern.is_match(label))
}

fn whole(_: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    captures.get(0).map(|m| SecretMatch::secret(m.start(), m.end()))
}

fn group_one(_: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    captures.get(1).filter(|m| !is_harmless(m.as_str())).map(|m| SecretMatch::secret(m.start(), m.end()))
}

fn value_of_group_one(text: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    secret_at(text, captures.get(1)?.start(), |_| true)
}

fn made_up_group_one(_: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    captures.get(1).filter(|m| looks_made_up(m.as_str())).map(|m| SecretMatch::secret(m.start(), m.end()))
}

/// The value that starts at `at`, if `is_secret` thinks so.
fn secret_at(text: &str, at: usize, is_secret: impl Fn(&str) -> bool) -> Option<SecretMatch> {
    let rest = text.get(at..)?;
    let (start, end) = value(rest);
    let found = rest.get(start..end)?;
    (!is_harmless(found) && is_secret(found)).then(|| SecretMatch::secret(at + start, at + end))
}

/// A user name alone is no secret (`ssh://git@host`), but a token is often put in its place.
fn userinfo(_: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    let found = captures.get(1)?;
    let name_only = !found.as_str().contains(':');
    let plain = found.as_str().len() <= 32 && !looks_made_up(found.as_str());
    (!(name_only && plain)).then(|| SecretMatch::secret(found.start(), found.end()))
}

/// The same for a password that holds `/`; `host:8443/path@2` is a port instead.
fn userinfo_with_slash(_: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    let found = captures.get(1)?;
    let (_, after) = found.as_str().split_once(':')?;
    let port = after.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = (2..=5).contains(&port.len()) && port.chars().all(|c| c.is_ascii_digit());
    (!is_port).then(|| SecretMatch::secret(found.start(), found.end()))
}

fn bare_userinfo(_: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    let name = captures.get(1)?.as_str().to_ascii_lowercase();
    let found = captures.get(2)?;
    let address =
        matches!(name.as_str(), "mailto" | "from" | "to" | "cc" | "user" | "email" | "mail" | "acct");
    (!address && !is_harmless(found.as_str())).then(|| SecretMatch::secret(found.start(), found.end()))
}

/// RFC 7235: a scheme and one token, or a scheme and a list of `name=value`.
fn authorization(text: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    const SCHEMES: &[&str] = &["basic", "bearer", "token", "negotiate", "ntlm", "apikey", "key", "digest"];
    let at = captures.get(0)?.end();
    let line = text.get(at..)?.split(['\n', '\r']).next()?;
    let mut words = words_of(line);
    let (start, first) = words.next()?;
    let mut end = start + first.len();
    let scheme = SCHEMES.contains(&first.to_ascii_lowercase().as_str());
    if !scheme && is_harmless(first) {
        return None;
    }
    for (position, (start, word)) in words.enumerate() {
        let parameter = word.contains('=');
        if parameter || (position == 0 && (scheme || looks_made_up(word))) {
            end = start + word.len();
        }
        if !parameter {
            break;
        }
    }
    let found = line.get(..end)?.trim_end_matches(['"', '\'', '\\', ';', ',', ')', '}']);
    Some(SecretMatch::secret(at, at + found.len()))
}

/// The words of a line with their byte positions.
fn words_of(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    line.split_inclusive([' ', '\t']).filter_map(move |piece| {
        let start = at;
        at += piece.len();
        let word = piece.trim_end();
        (!word.is_empty()).then_some((start, word))
    })
}

/// `name = value` where the name holds one of the words.
fn pair(text: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    let part = |n: usize| captures.get(n).map_or("", |m| m.as_str());
    let (before, prefix, word, suffix, separator) = (part(1), part(2), part(3), part(4), part(5));
    let suffix = suffix.to_ascii_lowercase();
    // `/etc/passwd: permission denied`
    let in_path = matches!(before, "/" | "\\")
        && text.get(..captures.get(1)?.start()).is_some_and(|t| t.ends_with(char::is_alphanumeric))
        && separator.contains(':');
    if in_path || is_about(&suffix) {
        return None;
    }
    let package = prefix.starts_with("lib") || word.eq_ignore_ascii_case("passwd") || !suffix.is_empty();
    let directory =
        word.eq_ignore_ascii_case("pwd") && (prefix.is_empty() || prefix.eq_ignore_ascii_case("old"));
    let count = suffix == "s" || word.to_ascii_lowercase().starts_with("session");
    secret_at(text, captures.get(0)?.end(), |found| {
        !(package && is_version(found)
            || directory && found.starts_with(['/', '~'])
            || count && found.len() <= 5 && found.chars().all(|c| c.is_ascii_digit()))
    })
}

/// Ends of a name that is about a secret without holding it: `password_file`, `token_type`,
/// `PasswordAuthentication`, `systemd-ask-password-wall.service`.
fn is_about(suffix: &str) -> bool {
    const ABOUT: &[&str] = &[
        "file",
        "path",
        "dir",
        "len",
        "policy",
        "age",
        "expir",
        "ttl",
        "timeout",
        "type",
        "count",
        "manager",
        "store",
        "authentication",
        "prompt",
        "hint",
        "changed",
        "required",
        "enabled",
        "name",
        "quality",
        "agent",
        "limit",
        "complexity",
        "less",
        ".service",
        ".socket",
        ".timer",
        ".target",
        ".conf",
        ".so",
        ".py",
        ".rs",
        ".js",
        ".go",
        ".c",
        ".log",
        ".db",
        ".txt",
        ".json",
        "stdin",
        "version",
    ];
    ABOUT.iter().any(|end| suffix.ends_with(end) || (end.len() > 3 && suffix.contains(end)))
}

/// `pass=x`, `PIN: 1234`; a small number is a count (`pass: 3, fail: 0`).
fn short_word_pair(text: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    secret_at(text, captures.get(0)?.end(), |found| {
        !(found.len() < 4 && found.chars().all(|c| c.is_ascii_digit()))
    })
}

/// The value after a command line's option.
fn flag(text: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    secret_at(text, captures.get(0)?.end(), |found| !found.starts_with("--"))
}

/// `the password is hunter2`: only what nobody writes for its meaning.
fn sentence(text: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    secret_at(text, captures.get(0)?.end(), |found| {
        found.chars().count() >= 5
            && looks_made_up(found)
            && !is_version(found)
            && !found.contains(['/', '(', '='])
    })
}

/// Long random text after `key` and the like; public keys and their fingerprints stay.
fn key_material(_: &str, captures: &Captures<'_>) -> Option<SecretMatch> {
    let before = captures.get(1).map_or("", |m| m.as_str()).to_ascii_lowercase();
    let found = captures.get(2)?;
    let public = ["public", "host", "fingerprint", "pub", "registry", "gpg", "pgp"];
    let is_public = public.iter().any(|word| before.contains(word));
    (!is_public && is_key_material(found.as_str())).then(|| SecretMatch::secret(found.start(), found.end()))
}
