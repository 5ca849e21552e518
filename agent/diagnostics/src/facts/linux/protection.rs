//! Firewall, disk encryption, secure boot, processor flaws.

use std::sync::Arc;

use crate::facts::root::SystemRoot;
use crate::facts::security::{DiskEncryption, FirewallState, PlatformSecurity};
use crate::facts::{CollectContext, Fact, MissingFact};

use super::packet_filter::{FilterRules, iptables_rules, nft_rules};
use super::process;

/// How deep devices may be stacked (partition, RAID, LVM, encryption); ends loops.
const STACK_LIMIT: usize = 8;

/// Finds what filters packets. A firewall that is set up counts as active as long as the kernel's rules can't be read; where
/// they can, they decide.
pub(super) async fn firewall(context: &Arc<CollectContext>) -> Fact<FirewallState> {
    let root = &context.root;
    let mut firewall = FirewallState::default();
    let (mut on, mut off) = (Vec::new(), Vec::new());
    if let Ok(text) = root.text("/etc/ufw/ufw.conf") {
        let is_on = text.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes"));
        if is_on { &mut on } else { &mut off }.push("ufw".to_owned());
    }
    if root.has("/usr/sbin/firewalld") {
        if process::running(root).contains("firewalld") {
            on.push("firewalld".to_owned());
        } else if process::hidden_programs(root).is_none() {
            off.push("firewalld".to_owned());
        }
    }
    for (kind, rules) in [("nftables", nft(context).await), ("iptables", iptables(context).await)] {
        let Some(rules) = rules else { continue };
        firewall.rules_readable = true;
        match rules.stop_strangers() {
            true if firewall.active.is_empty() => firewall.active.push(kind.to_owned()),
            true => {}
            false => firewall.passing |= rules.has_rules(),
        }
    }
    let is_filtering = !firewall.active.is_empty();
    match firewall.rules_readable && !is_filtering {
        // Set up, and its rules are not there.
        true => off.extend(on.into_iter().filter(|name| name == "ufw")),
        false => firewall.active.splice(0..0, on).for_each(drop),
    }
    firewall.passing &= !is_filtering;
    firewall.switched_off = off;
    Ok(firewall)
}

/// The kernel's own rules, which only root may list. Without the elements of sets (`-t`), which can be megabytes; older
/// versions don't know that.
async fn nft(context: &Arc<CollectContext>) -> Option<FilterRules> {
    for arguments in [&["-j", "-t", "list", "ruleset"][..], &["-j", "list", "ruleset"]] {
        if let Ok(output) = context.programs.run("nft", arguments).await
            && output.code == Some(0)
            && let Some(rules) = nft_rules(&output.text)
        {
            return Some(rules);
        }
    }
    None
}

/// Rules of the older interface, and what nft can't show of iptables' own matches.
async fn iptables(context: &Arc<CollectContext>) -> Option<FilterRules> {
    let output = context.programs.run("iptables-save", &["-t", "filter"]).await.ok()?;
    (output.code == Some(0) && !output.cut).then(|| iptables_rules(&output.text))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

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

    /// What is found where `nft` and `iptables-save` say this.
    async fn found(nft: &str, iptables: &str, files: &[(&str, &str)]) -> FirewallState {
        use std::os::unix::fs::PermissionsExt;
        let (dir, root) = tree(files);
        for (name, text) in [("nft", nft), ("iptables-save", iptables)] {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let context = CollectContext::of_test(root, dir.path());
        firewall(&Arc::new(context)).await.unwrap()
    }

    const UFW_ON: (&str, &str) = ("/etc/ufw/ufw.conf", "ENABLED=yes\n");
    const NOTHING: &str = r#"echo '{"nftables":[{"metainfo":{}}]}'"#;
    const DROP: &str = "echo '*filter'; echo ':INPUT DROP [0:0]'";
    const BAN: &str = "echo '*filter'; echo ':INPUT ACCEPT [0:0]'; echo '-A INPUT -s 203.0.113.9/32 -j DROP'";

    #[tokio::test]
    async fn the_kernels_rules_decide_where_they_can_be_read() {
        let names =
            |found: &FirewallState| (found.active.join(" "), found.switched_off.join(" "), found.passing);
        let seen = found(NOTHING, DROP, &[UFW_ON]).await;
        assert_eq!(names(&seen), ("ufw iptables".into(), String::new(), false));
        let bans = found(NOTHING, BAN, &[]).await;
        assert_eq!((names(&bans), bans.rules_readable), ((String::new(), String::new(), true), true));
        let not_loaded = found(NOTHING, BAN, &[UFW_ON]).await;
        assert_eq!(names(&not_loaded), (String::new(), "ufw".into(), true));
        let unread = found("exit 1", "exit 1", &[UFW_ON]).await;
        assert_eq!((names(&unread), unread.rules_readable), (("ufw".into(), String::new(), false), false));
        let old = found(r#"test "$2" = list && echo '{"nftables":[]}'"#, "exit 1", &[]).await;
        assert!(old.rules_readable, "a version without -t");
    }

    #[tokio::test]
    async fn a_firewall_that_may_run_unseen_is_not_switched_off() {
        let hidden = ("/proc/self/mountinfo", "22 21 0:5 / /proc rw - proc proc rw,hidepid=2\n");
        let installed = ("/usr/sbin/firewalld", "");
        assert_eq!(found("exit 1", "exit 1", &[installed]).await.switched_off, ["firewalld"]);
        assert_eq!(found("exit 1", "exit 1", &[installed, hidden]).await, FirewallState::default());
    }
}
