//! Names that a report tells by itself: by the label of a value, by the check that found it, and by the
//! words around it in a log's message.
//!
//! For a reader who has only the report and cannot ask the machine. A word taken for a name by mistake is replaced
//! by a token, which costs a little meaning; a name overlooked is told. So the words around a name decide, and
//! only what nobody is called is left out. Must not live here: what is recognised by its own form (see
//! [`super::forms`]).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::identifier::{COMMON, IdentifierKind, Identifiers, is_token, lower, named};
use crate::model::Report;
use crate::visit::{TextRole, texts};

/// Most names of one kind; a report can hold 20,000 texts, and each name is looked for in all of them.
const MAX_NAMES: usize = 500;

/// Longest name in bytes: user names have 32, host names 253, serial numbers fewer.
const MAX_LENGTH: usize = 253;

/// Checks whose instance is an account.
const ABOUT_ACCOUNTS: &[&str] = &["security.root_accounts", "security.empty_passwords"];

/// Labels whose values are accounts.
const ACCOUNT_LABELS: &[&str] =
    &["administrators", "user", "users", "user name", "username", "login", "owner", "account", "accounts"];

/// What stands where a name could stand and is none.
const WORDS: &[&str] = &[
    "a",
    "account",
    "accounts",
    "an",
    "and",
    "at",
    "authentication",
    "for",
    "from",
    "id",
    "ids",
    "in",
    "input",
    "interface",
    "is",
    "login",
    "manager",
    "mode",
    "more",
    "name",
    "names",
    "namespace",
    "namespaces",
    "not",
    "of",
    "on",
    "or",
    "password",
    "process",
    "processes",
    "service",
    "services",
    "session",
    "sessions",
    "slice",
    "space",
    "the",
    "this",
    "to",
    "unit",
    "units",
    "was",
    "with",
];

/// What a name looks like in a message, by its kind. The first group is the name.
const FORMS: &[(IdentifierKind, &str)] = &[
    // PAM, sshd, sudo, su, cron, systemd-logind.
    (
        IdentifierKind::User,
        r#"(?i)\b(?:for|of|from|by)\s+(?:(?:invalid|illegal|unknown)\s+)?user\s+['"‘“]?([\w.+-]+)"#,
    ),
    (IdentifierKind::User, r#"(?i)\b(?:invalid|illegal|unknown)\s+user\s+['"‘“]?([\w.+-]+)"#),
    (IdentifierKind::User, r#"(?i)\b(?:r?user|username|login|logname|acct)=['"]?([\w.+-]+)"#),
    (
        IdentifierKind::User,
        r"\b(?:Accepted|Failed|Postponed) [\w/-]+ for (?:invalid user )?([\w.+-]+) from\b",
    ),
    (IdentifierKind::User, r"\b(?:uid|UID|euid|auid)=\d+\(([\w.+-]+)\)"),
    (IdentifierKind::User, r"\bby ([\w.+-]+)\(uid=\d+\)"),
    (IdentifierKind::User, r"\bsudo(?:\[\d+\])?:\s+([\w.+-]+) :"),
    (IdentifierKind::User, r"\bsu(?:\[\d+\])?: \(to [\w.+-]+\) ([\w.+-]+) on\b"),
    (IdentifierKind::User, r"\(([\w.+-]+)\) (?:CMD|RELOAD|LIST|REPLACE|BEGIN EDIT)\b"),
    (IdentifierKind::User, r#"(?i)\baccount ['"‘“]?([\w.+-]+)['"’”]? (?:has|is|was)\b"#),
    (IdentifierKind::User, r"\bpasswd (?:-\w+ )*'([^']+)'"),
    (IdentifierKind::User, r"/media/([\w.+-]+)/"),
    // USB, SCSI, smartctl, udev.
    (
        IdentifierKind::Serial,
        r#"(?i)\bserial(?:\s?(?:number|no\.?|num|nr\.?|id|#))?\s*[:=#]\s*['"]?([\w.+-]{4,})"#,
    ),
    (IdentifierKind::Serial, r"(?i)\bS/?N\s*[:=#]?\s+([\w.+-]{4,})"),
    (IdentifierKind::Serial, r"/by-id/[\w.:+-]*_([A-Za-z0-9-]{6,}?)(?:-part\d+|-\d:\d)?(?:[^\w-]|$)"),
    (IdentifierKind::Serial, r"(?i)\b(?:wwn-0x|eui\.|naa\.|uuid\.)([0-9a-f]{8,32})"),
    // wpa_supplicant, NetworkManager, iwd.
    (IdentifierKind::Ssid, r#"(?i)\be?ssid\s*[:=]?\s*["“‘]([^"”’]{1,32})["”’]"#),
    (IdentifierKind::Ssid, r"(?i)\be?ssid\s*[:=]?\s*'([^']{1,32})'"),
    (IdentifierKind::Ssid, r#"(?i)\be?ssid\s*[:=]\s*([^\s"'“‘,;)]{1,32})"#),
    (IdentifierKind::Ssid, r#"(?i)\bwireless network ["“']([^"”']{1,32})["”']"#),
    (IdentifierKind::Ssid, r#"(?i)\(wifi\) connection ["“']([^"”']{1,32})["”']"#),
    // Names that only mean something inside one network.
    (
        IdentifierKind::Host,
        r"(?i)\b((?:[a-z0-9-]+\.)+(?:lan|local|localdomain|home|internal|intranet|corp|private|fritz\.box|home\.arpa))\b",
    ),
    (IdentifierKind::Host, r"(?i)\b(?:host\s?name|hostname set to)\s*[:=]?\s*[<'\x22]([\w.-]+)[>'\x22]"),
];

/// `None` if an expression does not compile, which a test rules out.
static COMPILED: LazyLock<Option<Vec<(IdentifierKind, Regex)>>> =
    LazyLock::new(|| FORMS.iter().map(|(kind, form)| Some((*kind, Regex::new(form).ok()?))).collect());

/// The names that the report tells.
pub(super) fn by(report: &Report) -> Identifiers {
    let mut names = NameCollector::default();
    names.add(IdentifierKind::Host, &report.subject.hostname);
    names.add(IdentifierKind::Device, &report.subject.device);
    for finding in report.findings.iter().filter(|f| ABOUT_ACCOUNTS.contains(&f.id.as_str())) {
        names.add(IdentifierKind::User, &finding.instance);
    }
    // Walking is what `visit` does, and it walks what can be changed.
    texts(&mut report.clone(), &mut |role, text| match role {
        TextRole::Value { label } if named(label, "serial") => names.add(IdentifierKind::Serial, text),
        TextRole::Value { label } if named(label, "ssid") => names.add(IdentifierKind::Ssid, text),
        TextRole::Value { label } if ACCOUNT_LABELS.contains(&lower(label.trim()).as_str()) => {
            names.list(text);
        }
        TextRole::Line | TextRole::Label | TextRole::Value { .. } | TextRole::Prose => names.message(text),
        TextRole::Id
        | TextRole::Device
        | TextRole::Hostname
        | TextRole::SoftwareName
        | TextRole::SoftwareVersion => {}
    });
    names.identifiers()
}

#[derive(Default)]
struct NameCollector {
    names: Vec<(IdentifierKind, BTreeSet<String>)>,
}

impl NameCollector {
    fn add(&mut self, kind: IdentifierKind, name: &str) {
        let name = name.trim().trim_end_matches('.');
        let plain = lower(name);
        let digits = name.chars().any(|c| c.is_ascii_digit());
        let fits = match kind {
            IdentifierKind::Serial => name.len() >= 4 && digits,
            IdentifierKind::User => name.len() >= 2 && !name.chars().all(|c| c.is_ascii_digit()),
            // The boot script of old has a name like a host's.
            IdentifierKind::Host => name.len() >= 2 && plain != "rc.local",
            _ => !name.is_empty(),
        };
        let ordinary = COMMON.contains(&plain.as_str()) || WORDS.contains(&plain.as_str());
        if !fits || ordinary || name.len() > MAX_LENGTH || is_token(name) {
            return;
        }
        match self.names.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, names)) if names.len() < MAX_NAMES => {
                names.insert(name.to_owned());
            }
            Some(_) => {}
            None => self.names.push((kind, BTreeSet::from([name.to_owned()]))),
        }
    }

    /// `anna, bert and 3 more`.
    fn list(&mut self, text: &str) {
        for name in text.split([',', ' ', ';']).filter(|name| !name.is_empty()) {
            self.add(IdentifierKind::User, name);
        }
    }

    fn message(&mut self, text: &str) {
        for (kind, form) in COMPILED.iter().flatten() {
            for found in form.captures_iter(text).filter_map(|captures| captures.get(1)) {
                self.add(*kind, found.as_str());
            }
        }
        for home in super::forms::HOMES {
            for (at, _) in text.match_indices(home) {
                let rest = text.get(at + home.len()..).unwrap_or_default();
                self.add(
                    IdentifierKind::User,
                    rest.split(['/', '\\', ' ', ':', '"', '\'', ',', ')']).next().unwrap_or(""),
                );
            }
        }
    }

    fn identifiers(self) -> Identifiers {
        let mut identifiers = Identifiers::default();
        for (kind, names) in self.names {
            let names = names.into_iter().collect();
            match kind {
                IdentifierKind::Host => identifiers.hostnames = names,
                IdentifierKind::User => identifiers.users = names,
                IdentifierKind::Ssid => identifiers.ssids = names,
                IdentifierKind::Serial => identifiers.serials = names,
                IdentifierKind::Device => identifiers.devices = names,
                IdentifierKind::Ip | IdentifierKind::Mac | IdentifierKind::Mail => {}
            }
        }
        identifiers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn names(message: &str) -> Identifiers {
        let mut names = NameCollector::default();
        names.message(message);
        names.identifiers()
    }

    #[test]
    fn every_expression_compiles() {
        assert_eq!(COMPILED.as_ref().map(Vec::len), Some(FORMS.len()));
    }

    #[test]
    fn names_in_messages_are_found() {
        for (message, user) in [
            ("pam_unix(sshd:session): session opened for user bert(uid=1001) by bert(uid=0)", "bert"),
            ("Failed password for invalid user carla.b from 10.0.0.9 port 41 ssh2", "carla.b"),
            ("Accepted publickey for dörte from 10.0.0.9", "dörte"),
            (
                "authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=10.1.1.1  user=emil",
                "emil",
            ),
            ("sudo[31]:    frida : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", "frida"),
            ("New session 4 of user gustav.", "gustav"),
            ("(hanna) CMD (/usr/local/bin/backup)", "hanna"),
            ("Account ida has no password", "ida"),
            ("/run/media/jonas/STICK is full", "jonas"),
            ("/home/klara: cannot open", "klara"),
        ] {
            assert_eq!(names(message).users, [user], "{message}");
        }
        for (message, serial) in [
            ("usb 1-2: SerialNumber: 4C530001230", "4C530001230"),
            ("Serial Number:    S3Z9NB0K", "S3Z9NB0K"),
            ("/dev/disk/by-id/ata-WDC_WD10EZEX-08WN4A0_WD-WCC6Y3RT-part2 gone", "WD-WCC6Y3RT"),
            ("wwn-0x5000c500a1b2c3d4 failed", "5000c500a1b2c3d4"),
        ] {
            assert_eq!(names(message).serials, [serial], "{message}");
        }
        for (message, ssid) in [
            (
                "wlan0: Trying to associate with 02:00:00:aa:bb:cc (SSID='Müllers Netz' freq=2412 MHz)",
                "Müllers Netz",
            ),
            ("device (wlp2s0): Activation: (wifi) connection 'Sonne 7' has security", "Sonne 7"),
            ("Connected to wireless network “Cafe”", "Cafe"),
        ] {
            assert_eq!(names(message).ssids, [ssid], "{message}");
        }
        assert_eq!(names("proxy wpad.firma.lan:3128 refused").hostnames, ["wpad.firma.lan"]);
    }

    #[test]
    fn what_is_no_name_is_left_alone() {
        for message in [
            "Started user manager for UID 1000, user@1000.service, session opened for user root(uid=0)",
            "Failed to start for user session, by user and group, /etc/rc.local",
            "Serial ports: 4, serial console: ttyS0 is enabled",
            "the account is locked",
        ] {
            assert_eq!(names(message), Identifiers::default(), "{message}");
        }
    }

    #[test]
    fn labels_and_checks_tell_names() {
        let mut report = sample::full();
        report.findings[0].evidence[0].label = "Administrators".into();
        report.findings[0].evidence[0].value = "anna, bert and 3 more".into();
        report.findings[1].id = "security.empty_passwords".into();
        report.findings[1].instance = "gast1".into();
        let names = by(&report);
        assert_eq!(names.hostnames, ["anna-desktop"]);
        assert_eq!(names.users, ["anna", "bert", "gast1"]);
        assert_eq!(names.serials, ["4XK2YZ1", "WD-WCC6Y3RT5XYZ"]);
    }
}
