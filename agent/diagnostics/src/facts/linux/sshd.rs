//! The SSH server's settings that are in force: sshd_config(5).
//!
//! Files are read as sshd reads them: in order, includes where they stand, the first value of a key. What stands in a
//! `Match` block holds for some connections only, and is kept apart.

use crate::facts::root::SystemRoot;
use crate::facts::security::SshdSettings;
use crate::facts::{Fact, MissingFact};

/// Where the main file is; the second is where openSUSE's defaults are, as long as nobody wrote the first.
const MAIN: [&str; 2] = ["/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"];

/// How deep files include files: `SERVCONF_MAX_DEPTH` of OpenSSH.
const DEPTH_LIMIT: usize = 16;

/// Most files that are read.
const FILE_LIMIT: usize = 256;

/// Reads the SSH server's settings. A file that may not be read can hold any of them, so then nothing is said.
pub(super) fn sshd(root: &SystemRoot) -> Fact<SshdSettings> {
    let main = MAIN.into_iter().find(|path| root.has(path)).unwrap_or("/etc/ssh/sshd_config");
    let text = root.text(main).map_err(|why| match why {
        MissingFact::Absent(_) => MissingFact::NotApplicable("no SSH server is installed".to_owned()),
        other => other,
    })?;
    let mut reader = SshdReader { root, settings: SshdSettings::default(), files: 0 };
    reader.apply(&text, None, 0)?;
    Ok(reader.settings)
}

struct SshdReader<'a> {
    root: &'a SystemRoot,
    settings: SshdSettings,
    files: usize,
}

impl SshdReader<'_> {
    /// `outer` is the condition of the block that includes this file. A block ends with its file.
    fn apply(&mut self, text: &str, outer: Option<&str>, depth: usize) -> Fact<()> {
        let mut condition = outer.map(str::to_owned);
        for line in text.lines() {
            let words = words(line);
            let Some((key, arguments)) = words.split_first() else { continue };
            match key.to_ascii_lowercase().as_str() {
                "match" => {
                    let is_all = matches!(arguments, [all] if all.eq_ignore_ascii_case("all"));
                    condition = if is_all { outer.map(str::to_owned) } else { Some(arguments.join(" ")) };
                }
                "include" => {
                    for pattern in arguments {
                        self.include(pattern, condition.as_deref(), depth)?;
                    }
                }
                key => self.set(
                    key,
                    arguments.first().map_or("", String::as_str),
                    condition.as_deref(),
                    arguments,
                ),
            }
        }
        Ok(())
    }

    fn include(&mut self, pattern: &str, condition: Option<&str>, depth: usize) -> Fact<()> {
        let pattern =
            if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
        for path in matching(self.root, &pattern)? {
            self.files += 1;
            if depth >= DEPTH_LIMIT || self.files > FILE_LIMIT {
                return Err(MissingFact::failed(&path, "too many files are included"));
            }
            match self.root.text(&path) {
                Ok(text) => self.apply(&text, condition, depth + 1)?,
                // A directory, or gone meanwhile: sshd goes on.
                Err(MissingFact::Absent(_) | MissingFact::Failed { .. }) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str, condition: Option<&str>, arguments: &[String]) {
        let settings = &mut self.settings;
        let place = match key {
            "permitrootlogin" => &mut settings.root_login,
            "passwordauthentication" => &mut settings.passwords,
            "permitemptypasswords" => &mut settings.empty_passwords,
            // The second is the older name.
            "kbdinteractiveauthentication" | "challengeresponseauthentication" => {
                &mut settings.keyboard_interactive
            }
            "usepam" => &mut settings.pam,
            "authenticationmethods" => &mut settings.methods,
            _ => return,
        };
        let value = match key {
            "authenticationmethods" => arguments.join(" ").to_ascii_lowercase(),
            _ => value.to_ascii_lowercase(),
        };
        match condition {
            None => drop(place.get_or_insert(value)),
            Some(condition) => {
                let setting = (condition.to_owned(), key.to_owned(), value);
                if settings.conditional.len() < FILE_LIMIT && !settings.conditional.contains(&setting) {
                    settings.conditional.push(setting);
                }
            }
        }
    }
}

/// Words of a line: parted by blanks, the keyword also by `=`, quotes kept together, and no comment.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => {
                let is_end = |c: char| c.is_whitespace() || (words.is_empty() && c == '=');
                rest.split_at(rest.find(is_end).unwrap_or(rest.len()))
            }
        };
        words.push(word.to_owned());
        rest = after.trim_start();
        if words.len() == 1 {
            rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        }
    }
    words
}

/// Paths that a pattern fits, in order: glob(7) in each part.
fn matching(root: &SystemRoot, pattern: &str) -> Fact<Vec<String>> {
    let mut found = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for directory in &found {
            if !part.contains(['*', '?', '[']) {
                next.push(format!("{directory}/{part}"));
                continue;
            }
            let names = match root.names(if directory.is_empty() { "/" } else { directory }) {
                Ok(names) => names,
                Err(MissingFact::Denied(what)) => return Err(MissingFact::Denied(what)),
                Err(_) => continue,
            };
            let fits = |name: &&String| {
                (part.starts_with('.') || !name.starts_with('.')) && fits(part.as_bytes(), name.as_bytes())
            };
            next.extend(names.iter().filter(fits).map(|name| format!("{directory}/{name}")));
        }
        next.truncate(FILE_LIMIT + 1);
        found = next;
    }
    Ok(found)
}

/// `*`, `?` and `[a-z]`; time grows with the product of both lengths, and both are short.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => {
            let rest_begin = rest.iter().position(|byte| *byte != b'*').unwrap_or(rest.len());
            let rest = rest.get(rest_begin..).unwrap_or_default();
            (0..=name.len()).any(|at| fits(rest, name.get(at..).unwrap_or_default()))
        }
        Some((b'[', rest)) if rest.contains(&b']') => {
            let end = rest.iter().position(|byte| *byte == b']').unwrap_or(0);
            let (set, rest) = (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
            let (set, is_negated) = match set.split_first() {
                Some((b'!' | b'^', set)) => (set, true),
                _ => (set, false),
            };
            let Some((first, name)) = name.split_first() else { return false };
            let is_in = set.contains(first)
                || set
                    .windows(3)
                    .any(|range| matches!(range, [low, b'-', high] if (low..=high).contains(&first)));
            is_in != is_negated && fits(rest, name)
        }
        Some((wanted, rest)) => name
            .split_first()
            .is_some_and(|(first, name)| (*wanted == b'?' || wanted == first) && fits(rest, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    const MAIN: &str = "/etc/ssh/sshd_config";

    fn of(files: &[(&str, &str)]) -> SshdSettings {
        let (_dir, root) = tree(files);
        sshd(&root).unwrap()
    }

    #[test]
    fn the_first_value_counts_and_includes_stand_where_they_are() {
        let drop_in = ("/etc/ssh/sshd_config.d/10-local.conf", "PasswordAuthentication no\n");
        let later = ("/etc/ssh/sshd_config.d/50-cloud.conf", "PasswordAuthentication yes\n");
        let first = of(&[
            drop_in,
            later,
            (MAIN, "Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\n"),
        ]);
        assert_eq!(first.passwords.as_deref(), Some("no"));
        let last =
            of(&[drop_in, later, (MAIN, "passwordauthentication=yes\nInclude sshd_config.d/*.conf\n")]);
        assert_eq!(last.passwords.as_deref(), Some("yes"));
        let without = of(&[drop_in, later, (MAIN, "#Include /etc/ssh/sshd_config.d/*.conf\n")]);
        assert_eq!(without.passwords, None, "a directory that nobody includes isn't read");
        let order = of(&[drop_in, later, (MAIN, "Include sshd_config.d/50*.conf sshd_config.d/1?-*.conf\n")]);
        assert_eq!(order.passwords.as_deref(), Some("yes"));
        let other = of(&[
            ("/etc/ssh/sshd_config.d/10-local.txt", "PermitRootLogin yes\n"),
            (MAIN, "Include sshd_config.d/*.conf\n"),
        ]);
        assert_eq!(other.root_login, None);
    }

    #[test]
    fn match_blocks_are_kept_apart() {
        let text = "#PermitRootLogin no\nPermitRootLogin  Yes # for now\nMatch User x\n  PermitEmptyPasswords yes\n\
            Match Address 10.0.0.0/8\nPasswordAuthentication \"yes\"\nMatch all\nPasswordAuthentication no\n";
        let found = of(&[(MAIN, text)]);
        assert_eq!((found.root_login.as_deref(), found.passwords.as_deref()), (Some("yes"), Some("no")));
        assert_eq!(found.empty_passwords, None);
        let blocks: Vec<_> =
            found.conditional.iter().map(|(on, key, value)| format!("{on}: {key} {value}")).collect();
        assert_eq!(
            blocks,
            ["User x: permitemptypasswords yes", "Address 10.0.0.0/8: passwordauthentication yes"]
        );
    }

    #[test]
    fn a_block_ends_with_its_file_and_an_include_in_a_block_belongs_to_it() {
        let files = [
            ("/etc/ssh/a.conf", "Match User x\nPermitRootLogin yes\n"),
            ("/etc/ssh/b.conf", "PermitEmptyPasswords yes\nMatch all\nUsePAM yes\n"),
            (MAIN, "Include a.conf\nPasswordAuthentication no\nMatch Group staff\nInclude b.conf\n"),
        ];
        let found = of(&files);
        assert_eq!((found.passwords.as_deref(), found.root_login, found.pam), (Some("no"), None, None));
        assert_eq!(found.conditional.len(), 3);
        assert!(found.conditional.contains(&("Group staff".into(), "usepam".into(), "yes".into())));
    }

    #[test]
    fn files_that_include_themselves_are_refused_and_absent_ones_are_none() {
        let (_dir, root) = tree(&[(MAIN, "Include sshd_config\n")]);
        assert!(matches!(sshd(&root), Err(MissingFact::Failed { .. })));
        assert_eq!(of(&[(MAIN, "Include none.conf none/*.conf\nUsePAM yes\n")]).pam.as_deref(), Some("yes"));
        let (_dir, root) = tree(&[]);
        assert!(matches!(sshd(&root), Err(MissingFact::NotApplicable(_))));
        assert_eq!(of(&[("/usr/etc/ssh/sshd_config", "UsePAM yes\n")]).pam.as_deref(), Some("yes"));
    }

    #[test]
    fn patterns_fit_as_the_shells_do() {
        for (pattern, name) in
            [("*.conf", "a.conf"), ("[0-9]?-*", "10-x"), ("[!a]b", "cb"), ("a**b", "ab"), ("[", "[")]
        {
            assert!(fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("*.conf", "a.conf.bak"), ("[!a]b", "ab"), ("?", ""), ("[a-c]", "d")] {
            assert!(!fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        assert_eq!(words("  Key=\"a b\" c # d"), ["Key", "a b", "c"]);
        assert_eq!(words("# Key a"), [""; 0]);
    }
}
