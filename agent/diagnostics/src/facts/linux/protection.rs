//! Firewall, disk encryption, secure boot, processor flaws, SSH server.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::facts::root::SystemRoot;
use crate::facts::security::{DiskEncryption, FirewallState, PlatformSecurity, SshdSettings};
use crate::facts::{CollectContext, Fact, MissingFact};

use super::process;

/// How deep devices may be stacked (partition, RAID, LVM, encryption); ends loops.
const STACK_LIMIT: usize = 8;

/// Finds what filters packets.
pub(super) async fn firewall(context: &Arc<CollectContext>) -> Fact<FirewallState> {
    let root = &context.root;
    let mut firewall = FirewallState::default();
    if let Ok(text) = root.text("/etc/ufw/ufw.conf") {
        let on = text.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes"));
        if on { &mut firewall.active } else { &mut firewall.switched_off }.push("ufw".to_owned());
    }
    if root.has("/usr/sbin/firewalld") {
        let on = process::running(root).contains("firewalld");
        if on { &mut firewall.active } else { &mut firewall.switched_off }.push("firewalld".to_owned());
    }
    // The kernel's own rules, which only root may list; this also sees what iptables-nft has set.
    if let Ok(output) = context.programs.run("nft", &["-j", "list", "ruleset"]).await
        && output.code == Some(0)
        && let Some(filters) = input_rules(&output.text)
    {
        firewall.rules_readable = true;
        if filters {
            firewall.active.push("nftables".to_owned());
        }
    }
    if firewall.active.is_empty()
        && let Ok(output) = context.programs.run("iptables-save", &["-t", "filter"]).await
        && output.code == Some(0)
    {
        firewall.rules_readable = true;
        if iptables_filters(&output.text) {
            firewall.active.push("iptables".to_owned());
        }
    }
    Ok(firewall)
}

/// Whether a chain on the input hook drops by default or has a rule. `None` if the text is no list of rules.
fn input_rules(text: &str) -> Option<bool> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let items = json.get("nftables")?.as_array()?;
    let text_of =
        |value: &serde_json::Value, key: &str| value.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let inputs: BTreeSet<Option<String>> = items
        .iter()
        .filter_map(|item| item.get("chain"))
        .filter(|chain| text_of(chain, "hook").as_deref() == Some("input"))
        .map(|chain| text_of(chain, "name"))
        .collect();
    let drops = items.iter().filter_map(|item| item.get("chain")).any(|chain| {
        inputs.contains(&text_of(chain, "name")) && text_of(chain, "policy").as_deref() == Some("drop")
    });
    let ruled =
        items.iter().filter_map(|item| item.get("rule")).any(|rule| inputs.contains(&text_of(rule, "chain")));
    Some(drops || ruled)
}

fn iptables_filters(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(":INPUT DROP") || line.starts_with("-A INPUT"))
}

/// Finds which mount points lie on encrypted devices.
pub(super) fn encryption(root: &SystemRoot) -> Fact<DiskEncryption> {
    let info = root.text("/proc/self/mountinfo")?;
    let mut mounts = Vec::new();
    for line in info.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (Some(number), Some(target)) = (words.get(2), words.get(4)) else { continue };
        let known = matches!(*target, "/" | "/home" | "/var" | "/boot");
        if known && root.has(&format!("/sys/dev/block/{number}")) {
            let encrypted = is_encrypted(root, &format!("/sys/dev/block/{number}"), 0);
            mounts.push(((*target).to_owned(), encrypted));
        }
    }
    if mounts.is_empty() {
        return Err(MissingFact::NotApplicable("the root file system lies on no local disk".to_owned()));
    }
    let supplies = root.names("/sys/class/power_supply").unwrap_or_default();
    let portable = supplies.iter().any(|name| name.starts_with("BAT"));
    Ok(DiskEncryption { mounts, portable })
}

/// Device mapper names its encrypted devices `CRYPT-…`; what lies below is found over `slaves`.
fn is_encrypted(root: &SystemRoot, device: &str, depth: usize) -> bool {
    if root.line(&format!("{device}/dm/uuid")).is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return true;
    }
    let below = root.names(&format!("{device}/slaves")).unwrap_or_default();
    depth < STACK_LIMIT
        && below.iter().any(|name| is_encrypted(root, &format!("/sys/class/block/{name}"), depth + 1))
}

/// Reads secure boot, access control modules and processor flaws.
pub(super) fn platform(root: &SystemRoot) -> Fact<PlatformSecurity> {
    let mut platform = PlatformSecurity { efi: root.has("/sys/firmware/efi"), ..PlatformSecurity::default() };
    // Four bytes of attributes, then the value (UEFI 2.10, 3.3; efivarfs).
    let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    platform.secure_boot =
        root.bytes(variable, 16).ok().and_then(|bytes| bytes.get(4).map(|byte| *byte == 1));
    if let Some(modules) = root.line("/sys/kernel/security/lsm") {
        platform.access_control_known = true;
        for (module, name) in [("apparmor", "AppArmor"), ("selinux", "SELinux"), ("smack", "Smack")] {
            if modules.split(',').any(|word| word == module) {
                platform.access_control.push(name.to_owned());
            }
        }
    }
    if root.line("/sys/module/apparmor/parameters/enabled").as_deref() == Some("Y")
        && !platform.access_control.iter().any(|name| name == "AppArmor")
    {
        platform.access_control_known = true;
        platform.access_control.push("AppArmor".to_owned());
    }
    let base = "/sys/devices/system/cpu/vulnerabilities";
    for flaw in root.names(base).unwrap_or_default() {
        platform.flaws_known += 1;
        if root.line(&format!("{base}/{flaw}")).is_some_and(|text| text.starts_with("Vulnerable")) {
            platform.vulnerable.push(flaw);
        }
    }
    Ok(platform)
}

/// Reads the SSH server's settings: the first value of a key counts, drop-in files come first.
pub(super) fn sshd(root: &SystemRoot) -> Fact<SshdSettings> {
    let main = root.text("/etc/ssh/sshd_config").map_err(|why| match why {
        MissingFact::Absent(_) => MissingFact::NotApplicable("no SSH server is installed".to_owned()),
        other => other,
    })?;
    let directory = "/etc/ssh/sshd_config.d";
    let mut settings = SshdSettings::default();
    for name in root.names(directory).unwrap_or_default() {
        if name.ends_with(".conf") {
            apply_sshd(&root.text(&format!("{directory}/{name}")).unwrap_or_default(), &mut settings);
        }
    }
    apply_sshd(&main, &mut settings);
    Ok(settings)
}

fn apply_sshd(text: &str, settings: &mut SshdSettings) {
    for line in text.lines().map(str::trim) {
        let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
        let (Some(key), Some(value)) = (words.next(), words.next()) else { continue };
        let place = match key.to_ascii_lowercase().as_str() {
            // What follows holds for some users only.
            "match" => break,
            "permitrootlogin" => &mut settings.root_login,
            "passwordauthentication" => &mut settings.passwords,
            "permitemptypasswords" => &mut settings.empty_passwords,
            _ => continue,
        };
        place.get_or_insert_with(|| value.trim_matches('"').to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn nftables_filter_where_input_has_rules_or_drops() {
        let rules = |policy: &str, rule: &str| {
            format!(
                r#"{{"nftables":[{{"metainfo":{{"version":"1.0.6"}}}},
                {{"chain":{{"family":"inet","table":"filter","name":"input","hook":"input","policy":"{policy}"}}}},
                {{"chain":{{"family":"ip","table":"nat","name":"POSTROUTING","hook":"postrouting","policy":"accept"}}}}
                {rule}]}}"#
            )
        };
        assert_eq!(input_rules(&rules("drop", "")), Some(true));
        assert_eq!(input_rules(&rules("accept", "")), Some(false));
        assert_eq!(input_rules(&rules("accept", r#",{"rule":{"chain":"input","expr":[]}}"#)), Some(true));
        assert_eq!(input_rules(&rules("accept", r#",{"rule":{"chain":"POSTROUTING"}}"#)), Some(false));
        assert_eq!(input_rules("Operation not permitted"), None);
        assert!(iptables_filters("*filter\n:INPUT DROP [0:0]\n"));
        assert!(!iptables_filters("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"));
    }

    #[test]
    fn encryption_is_found_below_lvm() {
        let (_dir, root) = tree(&[
            (
                "/proc/self/mountinfo",
                "28 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n29 28 8:1 / /boot rw - ext4 /dev/sda1 rw\n",
            ),
            ("/sys/dev/block/253:1/dm/uuid", "LVM-abc\n"),
            ("/sys/dev/block/253:1/slaves/dm-0/size", "1\n"),
            ("/sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-1234-cryptroot\n"),
            ("/sys/dev/block/8:1/size", "1\n"),
            ("/sys/class/power_supply/BAT0/type", "Battery\n"),
        ]);
        let found = encryption(&root).unwrap();
        assert_eq!(found.mounts, [("/".to_owned(), true), ("/boot".to_owned(), false)]);
        assert!(found.portable);
    }

    #[test]
    fn stacked_devices_in_a_circle_end() {
        let (_dir, root) = tree(&[("/sys/class/block/a/slaves/a/x", "")]);
        assert!(!is_encrypted(&root, "/sys/class/block/a", 0));
    }

    #[test]
    fn reads_secure_boot_and_flaws() {
        let (dir, root) = tree(&[
            ("/sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI\n"),
            (
                "/sys/devices/system/cpu/vulnerabilities/mds",
                "Vulnerable: Clear CPU buffers attempted, no microcode\n",
            ),
            ("/sys/kernel/security/lsm", "lockdown,capability,landlock,yama,apparmor"),
        ]);
        let directory = dir.path().join("sys/firmware/efi/efivars");
        std::fs::create_dir_all(&directory).unwrap();
        let variable = directory.join("SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
        std::fs::write(variable, [6, 0, 0, 0, 1]).unwrap();
        let platform = platform(&root).unwrap();
        assert_eq!((platform.efi, platform.secure_boot), (true, Some(true)));
        assert_eq!((platform.vulnerable, platform.flaws_known), (vec!["mds".to_owned()], 2));
        assert_eq!(platform.access_control, ["AppArmor"]);
    }

    #[test]
    fn the_first_setting_counts_and_match_blocks_do_not() {
        let (_dir, root) = tree(&[
            ("/etc/ssh/sshd_config.d/10-local.conf", "PasswordAuthentication no\n"),
            (
                "/etc/ssh/sshd_config",
                "#PermitRootLogin no\nPermitRootLogin  Yes\nPasswordAuthentication yes\nMatch User x\nPermitEmptyPasswords yes\n",
            ),
        ]);
        let found = sshd(&root).unwrap();
        assert_eq!((found.root_login.as_deref(), found.passwords.as_deref()), (Some("yes"), Some("no")));
        assert_eq!(found.empty_passwords, None);
    }
}
