//! Rules about protection.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use super::show::{count, names};
use crate::facts::security::OpenPort;
use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Ports that should never be open to others: unencrypted logins, databases and control interfaces that trust
/// every caller.
const RISKY_PORTS: [(u16, &str); 14] = [
    (21, "FTP"),
    (23, "Telnet"),
    (111, "RPC"),
    (512, "rexec"),
    (513, "rlogin"),
    (514, "rsh"),
    (2375, "Docker without TLS"),
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (5900, "VNC"),
    (6379, "Redis"),
    (9200, "Elasticsearch"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// UDP ports that the system lends to programs for asking others (Linux's net.ipv4.ip_local_port_range). Such a program
/// can't be told from a service, so these ports are not listed.
const LENT_PORTS: core::ops::RangeInclusive<u16> = 32_768..=60_999;

/// Settings of `Match` blocks that are shown.
const BLOCKS_SHOWN: usize = 12;

/// Administrators above which somebody should ask why.
const ADMINS_INFO: usize = 5;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "security.firewall",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Firewall, FactSource::Machine],
        what: "A firewall keeps others from services that are meant for this machine only.",
        source: "ufw.conf, firewalld, nft -j list ruleset, iptables-save",
        thresholds: "warn if a stranger's connection gets in (rules that only ban, count or serve guests don't stop it); info in a container or if that can't be told",
        judge: firewall,
    },
    DiagnosticCheck {
        id: "security.disk_encryption",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Encryption],
        what: "Disk encryption: without it, anybody who gets the disk can read the data.",
        source: "/proc/self/mountinfo, /sys/dev/block/*/dm",
        thresholds: "warn on a notebook, info elsewhere",
        judge: disk_encryption,
    },
    DiagnosticCheck {
        id: "security.secure_boot",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Platform],
        what: "Secure boot starts signed systems only.",
        source: "/sys/firmware/efi/efivars",
        thresholds: "info if off",
        judge: secure_boot,
    },
    DiagnosticCheck {
        id: "security.access_control",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Platform],
        what: "AppArmor or SELinux limit what a compromised program can do.",
        source: "/sys/kernel/security/lsm, /sys/module/apparmor",
        thresholds: "info if none is on",
        judge: access_control,
    },
    DiagnosticCheck {
        id: "security.cpu_flaws",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Platform, FactSource::Machine],
        what: "CPU vulnerabilities that firmware and kernel must mitigate.",
        source: "/sys/devices/system/cpu/vulnerabilities",
        thresholds: "warn for each that is not mitigated; info in a guest, whose host decides",
        judge: cpu_flaws,
    },
    DiagnosticCheck {
        id: "security.admins",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Accounts],
        what: "Accounts with administrator rights (sudo).",
        source: "/etc/group, /etc/passwd",
        thresholds: "info; from 5 with a hint",
        judge: admins,
    },
    DiagnosticCheck {
        id: "security.root_accounts",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Accounts],
        what: "Only root should have user number 0.",
        source: "/etc/passwd",
        thresholds: "fail for each other",
        judge: root_accounts,
    },
    DiagnosticCheck {
        id: "security.empty_passwords",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Passwords],
        what: "Anybody can log in to an account without a password.",
        source: "/etc/shadow (only whether it is empty)",
        thresholds: "fail for each",
        judge: empty_passwords,
    },
    DiagnosticCheck {
        id: "security.listening_ports",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Ports],
        what: "Open ports: services that can be reached from the network.",
        source: "/proc/net/tcp, udp",
        thresholds: "warn for services that should never be open; info otherwise; not UDP ports 32768 to 60999, which are lent to programs",
        judge: listening_ports,
    },
    DiagnosticCheck {
        id: "security.sshd",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::Sshd],
        what: "Settings of the SSH server that let attackers guess passwords.",
        source: "/etc/ssh/sshd_config with its includes; Match blocks apart",
        thresholds: "fail for empty passwords, warn for root by password or empty passwords in a Match block, info for passwords",
        judge: sshd,
    },
    DiagnosticCheck {
        id: "security.file_modes",
        area: Area::Security,
        set: CheckSet::Quick,
        needs: &[FactSource::FileModes],
        what: "File permissions: files that control rights must not be writable by everybody.",
        source: "modes of 14 files in /etc",
        thresholds: "fail for each",
        judge: file_modes,
    },
];

fn firewall(facts: &MachineFacts) -> CheckVerdict {
    let firewall = facts.firewall.as_ref()?;
    let draft = if !firewall.active.is_empty() {
        FindingDraft::ok(format!("Firewall is active: {}", names(&firewall.active, 4)))
    } else if is_container(facts) {
        FindingDraft::info("No firewall in this container; its host may have one")
            .fix("Look at the host: what reaches the container is decided there.")
    } else if !firewall.switched_off.is_empty() || firewall.rules_readable {
        FindingDraft::warn("No firewall is active")
            .fix("Switch it on, after allowing what is needed: ufw allow OpenSSH; ufw enable (or: systemctl enable --now firewalld).")
    } else {
        FindingDraft::info("Firewall state unknown")
            .fix("Run as root, on a machine that has nft or iptables: only they can list the kernel's rules.")
    };
    draft
        .maybe(
            "Rules that are there",
            firewall.passing.then_some("they ban, count or serve guests; strangers get through"),
        )
        .maybe("Switched off", (!firewall.switched_off.is_empty()).then(|| names(&firewall.switched_off, 4)))
        .fact("Kernel's rules readable", if firewall.rules_readable { "yes" } else { "no" })
        .alone()
}

/// What this system runs on, if not on metal.
fn virtualisation(facts: &MachineFacts) -> Option<&str> {
    facts.machine.as_ref().ok()?.virtualisation.as_deref()
}

fn is_container(facts: &MachineFacts) -> bool {
    facts.machine.as_ref().is_ok_and(|machine| machine.container.is_some())
}

fn disk_encryption(facts: &MachineFacts) -> CheckVerdict {
    let encryption = facts.encryption.as_ref()?;
    // /boot must be readable for the start, so it doesn't count.
    let open: Vec<&str> = encryption
        .mounts
        .iter()
        .filter(|(target, encrypted)| !encrypted && target != "/boot")
        .map(|(target, _)| target.as_str())
        .collect();
    let draft = match (open.is_empty(), encryption.portable) {
        (true, _) => FindingDraft::ok("The disks are encrypted"),
        (false, true) => FindingDraft::warn("The disk of this notebook is not encrypted"),
        (false, false) => FindingDraft::info("The disks are not encrypted"),
    };
    draft
        .maybe("Not encrypted", (!open.is_empty()).then(|| names(&open, 6)))
        .fix("Encryption is set up when the system is installed (LUKS). Plan it with the next installation, at once for machines that are carried about.")
        .alone()
}

fn secure_boot(facts: &MachineFacts) -> CheckVerdict {
    let platform = facts.platform.as_ref()?;
    let draft = match (platform.efi, platform.secure_boot) {
        (_, Some(true)) => FindingDraft::ok("Secure boot is on"),
        (true, Some(false)) => FindingDraft::info("Secure boot is off")
            .fix("Switch it on in the firmware's settings if all drivers are signed."),
        (true, None) => FindingDraft::info("Secure boot state unknown"),
        (false, None | Some(false)) => {
            return Err(MissingFact::NotApplicable(
                "not started by UEFI: there is no secure boot".to_owned(),
            ));
        }
    };
    draft.alone()
}

fn access_control(facts: &MachineFacts) -> CheckVerdict {
    let platform = facts.platform.as_ref()?;
    if !platform.access_control_known {
        return Err(MissingFact::Absent("/sys/kernel/security/lsm".to_owned()));
    }
    match platform.access_control.is_empty() {
        true => FindingDraft::info("Neither AppArmor nor SELinux is on")
            .fix("On Debian and Ubuntu: apt-get install apparmor, then restart.")
            .alone(),
        false => FindingDraft::ok(format!("{} is on", names(&platform.access_control, 3))).alone(),
    }
}

fn cpu_flaws(facts: &MachineFacts) -> CheckVerdict {
    let platform = facts.platform.as_ref()?;
    if platform.flaws_known == 0 {
        return Err(MissingFact::Absent("/sys/devices/system/cpu/vulnerabilities".to_owned()));
    }
    let flaws = names(&platform.vulnerable, 12);
    let draft = match (platform.vulnerable.is_empty(), virtualisation(facts)) {
        (true, _) => FindingDraft::ok("Known CPU vulnerabilities are mitigated"),
        (false, None) => FindingDraft::warn("CPU vulnerabilities are not mitigated").fact("Flaws", flaws).fix(
            "Install the microcode package (intel-microcode, amd64-microcode) and kernel updates, then restart.",
        ),
        // The guest only sees what its host lets through, and can do nothing about it.
        (false, Some(host)) => FindingDraft::info("This guest sees CPU vulnerabilities that are not mitigated")
            .fact("Flaws", flaws)
            .because(format!("It runs on {host}: microcode and the mitigations that need it are the host's."))
            .fix("Keep the kernel here up to date, and ask the host's operator about microcode."),
    };
    draft.fact("Flaws known", platform.flaws_known).alone()
}

fn admins(facts: &MachineFacts) -> CheckVerdict {
    let accounts = facts.accounts.as_ref()?;
    let number = accounts.admins.len();
    let title = match number {
        0 => "Only root has administrator rights".to_owned(),
        _ => format!("{} with administrator rights (sudo)", count(number, "account", "accounts")),
    };
    let draft = FindingDraft::info(title)
        .maybe("Administrators", (number > 0).then(|| names(&accounts.admins, 12)))
        .fact("Accounts of people", accounts.people);
    match number >= ADMINS_INFO {
        true => draft.fix("Ask whether all of them need it: gpasswd -d NAME sudo takes it away.").alone(),
        false => draft.alone(),
    }
}

fn root_accounts(facts: &MachineFacts) -> CheckVerdict {
    let extra = &facts.accounts.as_ref()?.extra_root;
    if extra.is_empty() {
        return FindingDraft::ok("No other account with user number 0").alone();
    }
    let one = |name: &String| {
        FindingDraft::fail(format!("Account {name} has root's user number 0"))
            .on(name)
            .fix("Unless somebody made it on purpose, the machine was broken into: keep it for examination and reinstall it.")
    };
    Ok(extra.iter().map(one).collect())
}

fn empty_passwords(facts: &MachineFacts) -> CheckVerdict {
    let empty = &facts.passwords.as_ref()?.empty;
    if empty.is_empty() {
        return FindingDraft::ok("Every account has a password or is locked").alone();
    }
    let one = |name: &String| {
        FindingDraft::fail(format!("Account {name} has no password"))
            .on(name)
            .fix(format!("Set one: passwd '{name}', or lock it: passwd -l '{name}'"))
    };
    Ok(empty.iter().map(one).collect())
}

fn listening_ports(facts: &MachineFacts) -> CheckVerdict {
    let ports = facts.ports.as_ref()?;
    let risk = |port: &OpenPort| {
        RISKY_PORTS.iter().find(|(number, _)| *number == port.number && port.protocol == "tcp")
    };
    let mut drafts: Vec<FindingDraft> = ports
        .iter()
        .filter_map(|port| Some((port, risk(port)?.1)))
        .map(|(port, name)| {
            FindingDraft::warn(format!("{name} is reachable from the network"))
                .on(format!("{}/{}", port.protocol, port.number))
                .maybe("Program", port.program.as_ref())
                .fix("Bind the service to 127.0.0.1 in its settings, switch it off, or block the port in the firewall.")
        })
        .collect();
    let lent = |port: &OpenPort| port.protocol == "udp" && LENT_PORTS.contains(&port.number);
    let shown: Vec<String> = ports
        .iter()
        .filter(|port| !lent(port))
        .map(|port| {
            let program = port.program.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            format!("{}/{}{program}", port.protocol, port.number)
        })
        .collect();
    let draft = match shown.is_empty() {
        true => FindingDraft::ok("No open ports"),
        false => FindingDraft::info(format!("{} open to others", count(shown.len(), "port is", "ports are")))
            .fact("Ports", names(&shown, 24)),
    };
    drafts.push(draft);
    Ok(drafts)
}

fn sshd(facts: &MachineFacts) -> CheckVerdict {
    let sshd = facts.sshd.as_ref()?;
    // OpenSSH's defaults: prohibit-password, yes, no, yes, no (sshd_config(5)).
    let root = sshd.root_login.as_deref().unwrap_or("prohibit-password");
    let passwords = sshd.passwords.as_deref().unwrap_or("yes");
    let empty = sshd.empty_passwords.as_deref().unwrap_or("no");
    let asks =
        sshd.keyboard_interactive.as_deref().unwrap_or("yes") == "yes" && sshd.pam.as_deref() == Some("yes");
    let allows = |list: &str| {
        list.split(',')
            .all(|one| one == "any" || one.starts_with("password") || one.starts_with("keyboard-interactive"))
    };
    let is_enough = sshd.methods.as_deref().is_none_or(|methods| methods.split_whitespace().any(allows));
    let by_password = (passwords == "yes" || asks) && is_enough;
    let in_block =
        sshd.conditional.iter().any(|(_, key, value)| key == "permitemptypasswords" && value == "yes");
    let (status, title) = match (empty, root, by_password) {
        ("yes", _, true) => (FindingStatus::Fail, "SSH allows empty passwords"),
        (_, "yes", true) => (FindingStatus::Warn, "SSH allows root to log in with a password"),
        _ if in_block => (FindingStatus::Warn, "SSH allows empty passwords in a Match block"),
        (_, _, true) => (FindingStatus::Info, "SSH allows password logins"),
        _ => (FindingStatus::Ok, "SSH allows no password logins"),
    };
    let mut draft = FindingDraft::new(status, title)
        .fact("PermitRootLogin", root)
        .fact("PasswordAuthentication", passwords)
        .fact("PermitEmptyPasswords", empty)
        .maybe("Passwords asked for by PAM", asks.then_some("yes (KbdInteractiveAuthentication, UsePAM)"))
        .maybe("AuthenticationMethods", sshd.methods.as_ref());
    for (condition, key, value) in sshd.conditional.iter().take(BLOCKS_SHOWN) {
        draft = draft.fact(format!("Match {condition}"), format!("{key} {value}"));
    }
    let more = sshd.conditional.len().saturating_sub(BLOCKS_SHOWN);
    draft
        .maybe("Further settings of Match blocks", (more > 0).then_some(more))
        .fix("Set PermitRootLogin prohibit-password and PasswordAuthentication no in /etc/ssh/sshd_config once everybody has a key, then: systemctl reload ssh")
        .alone()
}

fn file_modes(facts: &MachineFacts) -> CheckVerdict {
    let modes = facts.file_modes.as_ref()?;
    if modes.world_writable.is_empty() {
        return FindingDraft::ok("File permissions of important files are correct")
            .fact("Files", modes.looked_at)
            .alone();
    }
    let one = |path: &String| {
        FindingDraft::fail(format!("{path} is writable by everybody"))
            .on(path)
            .fix(format!("Take the right away: chmod o-w '{path}', and compare its content with a backup."))
    };
    Ok(modes.world_writable.iter().map(one).collect())
}
