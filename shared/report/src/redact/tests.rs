//! Planted secrets in every place where they turn up must go; ordinary text must stay.

use proptest::prelude::*;

use super::*;
use crate::sample;

/// Where a secret turns up; `{}` is its place.
const CARRIERS: &[&str] = &[
    "password={}",
    "Password: {}",
    "the line DB_PASSWORD={} was in the unit file",
    "export MYSQL_PWD='{}'",
    "\"client_secret\": \"{}\", \"user\": \"anna\"",
    "{\\\"password\\\":\\\"{}\\\"}",
    "curl -H 'Authorization: Bearer {}' https://example.com/x",
    "Authorization: {}",
    "authorization: Basic {}==",
    "proxy-authorization=Digest username=\"anna\", response=\"{}\"",
    "https://anna:{}@intranet.example.com:8443/a?b=c",
    "postgres://app:{}@db/app",
    "proxy anna:{}@proxy.example.com:3128",
    "root:{}@tcp(10.0.0.5:3306)/shop",
    "Server=db;User Id=sa;Password={};Database=shop",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}==;EndpointSuffix=core.windows.net",
    "GET /v1/items?access_token={}&limit=5 HTTP/1.1",
    "https://example.com/cb?code={}#top",
    "https://s3.example.com/o?X-Amz-Signature={}",
    "program --password {} --verbose",
    "program --api-key={} --verbose",
    "tool -token \"{}\"",
    "mysql -u root -p{} shop",
    "sshpass -p {} ssh anna@host",
    "curl -u anna:{} https://example.com",
    "curl --user 'anna:{}' https://example.com",
    "Set-Cookie: sid={}; Path=/; HttpOnly",
    "cookie: theme=dark; session={}",
    "JSESSIONID={};",
    "api_key => {},",
    "x-api-key: {}",
    "<password>{}</password>",
    "ALTER USER app IDENTIFIED BY '{}'",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY----- {}",
    "nearhand-invite-{}",
    "run nearhand-agent enrol nearhand-enrol-{} now",
    "claim with nearhand-claim-{}.",
    "secret={};token={}",
    "a,password={},token={}",
    "hooks.slack.com/services/T0/B0/{}",
    "[smtp] pass={}",
    "WLAN psk=\"{}\"",
    "PrivateKey = {}",
    "aws_secret_access_key = {}",
];

/// Words around the secret.
const AROUND: &[&str] =
    &["", "Started. ", "Mar 14 09:12:33 host app[811]: ", "see /var/log/app.log, ", "Größe 5 GB; "];

#[test]
fn every_rule_compiles() {
    assert!(rules().is_some());
    assert!(!rules::names_a_secret("Used"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn planted_secrets_never_appear(
        carrier in proptest::sample::select(CARRIERS),
        before in proptest::sample::select(AROUND),
        after in proptest::sample::select(AROUND),
        secret in "[A-Za-z][A-Za-z0-9_+-]{6,20}[0-9][A-Za-z0-9]",
    ) {
        let dirty = format!("{before}{} {after}", carrier.replace("{}", &secret));
        let clean = text(&dirty);
        prop_assert!(!clean.contains(&secret), "{dirty:?} -> {clean:?}");
        prop_assert!(clean.starts_with(before), "{dirty:?} -> {clean:?}");
        prop_assert_eq!(text(&clean), clean);
    }

    #[test]
    fn secrets_with_punctuation_never_appear(
        carrier in proptest::sample::select(&[
            "password={}", "Password: {}", "--password {} -v", "token=\"{}\"", "\"secret\": \"{}\",",
            "https://anna:{}@example.com/", "PGPASSWORD='{}' psql",
        ][..]),
        secret in "[A-Za-z0-9][A-Za-z0-9!#%^*_+~./:@$-]{6,20}[A-Za-z0-9]{2}",
    ) {
        prop_assume!(!reach::is_harmless(&secret));
        // `https://anna:80/x@example.com` has the port 80 by RFC 3986.
        let digits = secret.trim_start_matches(|c: char| c.is_ascii_digit());
        prop_assume!(!(digits.len() < secret.len() && digits.starts_with(['/', '#'])));
        let dirty = carrier.replace("{}", &secret);
        prop_assert!(!text(&dirty).contains(&secret), "{dirty:?} -> {:?}", text(&dirty));
    }

    #[test]
    fn any_text_settles(words in proptest::collection::vec(proptest::sample::select(&[
        "password", "=", ":", " ", "token", "--password", "\"", "'", "\\", "[redacted]", ";", "&", ",", "a1B2c3",
        "https://", "@", "/", "x", "Authorization", "Bearer", "cookie", "\n", "é", "nearhand-invite-", "eyJhbGciOi.eyJzdWI.x",
        "-----BEGIN PRIVATE KEY-----", "-u", "{", "}", "]", "?", ".",
    ][..]), 0..14)) {
        let once = text(&words.concat());
        prop_assert_eq!(text(&once), once);
    }
}

#[test]
fn known_forms_are_recognised_without_a_word_before_them() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1g";
    let secrets = [
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("ghp_{}", "a1B2".repeat(9)),
        format!("github_pat_{}", "11ABCDE_".repeat(6)),
        format!("xoxb-{}", "123456789012-abcdefgh"),
        format!("AIza{}", "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
        format!("sk_live_{}", "4eC39HqLyjWDarjtT1zdp7dc"),
        format!("glpat-{}", "x".repeat(20)),
        format!("npm_{}", "a1".repeat(18)),
        jwt.to_owned(),
    ];
    for secret in &secrets {
        for dirty in [secret.clone(), format!("got {secret}, done"), format!("x=\"{secret}\"")] {
            assert!(!text(&dirty).contains(secret.as_str()), "{dirty} -> {}", text(&dirty));
        }
    }
}

#[test]
fn a_key_cut_off_at_either_end_goes() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4=";
    assert_eq!(text(&format!("-----BEGIN PRIVATE KEY-----\n{body}")), "[redacted]");
    assert_eq!(text(&format!("see {body}\n-----END PRIVATE KEY----- end")), "see [redacted] end");
}

#[test]
fn ordinary_text_stays_as_it_is() {
    for ordinary in [
        "openssl 3.0.14-1~deb12u2, libsecret-1-0=0.20.5-3, passwd: 1:4.13+dfsg1-1+b1",
        "linux-image-6.1.0-28-amd64 (6.1.119-1) built from 1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
        "nearhand-agent 0.1.0 (git 9fceb02d0ae598e95dc970b74767f19372d61af8)",
        "/usr/lib/x86_64-linux-gnu/libsecret-1.so.0.0.0: cannot open shared object file",
        "/etc/passwd: permission denied",
        "sshd[811]: Failed password for invalid user admin from 203.0.113.7 port 4022 ssh2",
        "PasswordAuthentication: no",
        "Password expires: never; the password is not set",
        "password: expired",
        "systemd-ask-password-wall.service: Deactivated successfully.",
        "pam_unix(passwd:chauthtok): password changed for anna",
        "Tokens: 3, tests pass: 3, fail: 0",
        "PWD=/home/anna OLDPWD=/tmp",
        "https://deb.debian.org/debian/dists/bookworm/InRelease 404 Not Found",
        "http://localhost:8080/@angular/core and ssh://git@example.com/x.git",
        "mail to anna@example.com about getty@tty1.service",
        "Basic authentication is used; the bearer certificate expired",
        "gpg: key 648ACFD622F3D138: public key \"Debian Archive\" imported",
        "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8 (ED25519) host key",
        "token_type: bearer, --token-file /run/secrets/x, --password-store=gnome",
        "Used 437 GB of 470 GB (93 %), load 0.7 on 8 cores, 10:31:07",
        "Run `apt upgrade` and restart; then `ss -ltnp 'sport = :631'`.",
        "password=$DB_PASSWORD token=${TOKEN}",
        "Größe: 5 GB, 日本語, 👩🏽",
    ] {
        assert_eq!(text(ordinary), ordinary);
    }
}

#[test]
fn a_redacted_text_stays_readable() {
    for (dirty, clean) in [
        ("Server=db;Password=x1y2;Database=shop", "Server=db;Password=[redacted];Database=shop"),
        ("GET /a?access_token=abc&limit=5", "GET /a?access_token=[redacted]&limit=5"),
        ("{\"password\": \"x y\", \"user\": \"anna\"}", "{\"password\": \"[redacted]\", \"user\": \"anna\"}"),
        ("(token=abc1), next", "(token=[redacted]), next"),
        ("git clone https://a:b@host/x.git", "git clone https://[redacted]@host/x.git"),
        ("curl -H 'Authorization: Bearer a.b' -v", "curl -H 'Authorization: [redacted]' -v"),
        ("use nearhand-invite-abc_1 today", "use nearhand-invite-[redacted] today"),
    ] {
        assert_eq!(text(dirty), clean);
    }
}

#[test]
fn a_report_is_redacted_in_every_text_and_its_software_is_not() {
    let mut report = sample::full();
    let software = report.software.clone();
    let secret = "hunter2hunter2";
    crate::visit::texts(&mut report, &mut |role, value| {
        if !matches!(role, TextRole::SoftwareName | TextRole::SoftwareVersion) {
            *value = format!("{value} password={secret}");
        }
    });
    redact(&mut report);
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains(secret));
    assert_eq!(report.software, software);
    let once = report.clone();
    redact(&mut report);
    assert_eq!(report, once);
}

#[test]
fn a_label_that_names_a_secret_takes_its_value_with_it() {
    let mut report = sample::full();
    for (label, value) in [("API token", "plainword"), ("Password", "expired"), ("Password age", "90 days")] {
        report.findings[0].evidence.push(crate::model::Evidence { label: label.into(), value: value.into() });
    }
    redact(&mut report);
    let values: Vec<_> = report.findings[0].evidence.iter().rev().take(3).map(|e| e.value.as_str()).collect();
    assert_eq!(values, ["90 days", "expired", REDACTED]);
}

#[test]
fn a_real_report_without_secrets_is_not_touched() {
    let mut report = sample::full();
    redact(&mut report);
    assert_eq!(report, sample::full());
}
