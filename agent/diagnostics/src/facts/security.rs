//! Facts about protection. Types only.

use serde::{Deserialize, Serialize};

/// Packet filter.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Firewall {
    /// What filters, for example `ufw`; empty if nothing was found.
    pub(crate) active: Vec<String>,
    /// Firewalls that are installed and switched off.
    pub(crate) switched_off: Vec<String>,
    /// `true` where the kernel's own rules could be read, so that finding nothing means something.
    pub(crate) rules_readable: bool,
}

/// Encryption of the disks.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Encryption {
    /// Mount points and whether each lies on an encrypted device.
    pub(crate) mounts: Vec<(String, bool)>,
    /// `true` for a machine that is carried about.
    pub(crate) portable: bool,
}

/// Secure boot, access control modules, processor flaws.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Platform {
    /// `true` where it was started by UEFI.
    pub(crate) efi: bool,
    /// Whether secure boot is on.
    pub(crate) secure_boot: Option<bool>,
    /// Access control modules that are on, for example `AppArmor`.
    pub(crate) access_control: Vec<String>,
    /// `true` where the list above could be read.
    pub(crate) access_control_known: bool,
    /// Processor flaws without a remedy.
    pub(crate) vulnerable: Vec<String>,
    /// Processor flaws that the kernel knows.
    pub(crate) flaws_known: usize,
}

/// Accounts with rights.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Accounts {
    /// Members of the groups that may become root.
    pub(crate) admins: Vec<String>,
    /// Accounts other than root with user number 0.
    pub(crate) extra_root: Vec<String>,
    /// Accounts that can log in.
    pub(crate) people: usize,
}

/// Users without a password.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Passwords {
    /// Their names.
    pub(crate) empty: Vec<String>,
}

/// A port open to others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Port {
    /// `tcp` or `udp`.
    pub(crate) protocol: String,
    /// Its number.
    pub(crate) number: u16,
    /// The listening program's name, where it could be told.
    pub(crate) program: Option<String>,
}

/// Settings of the SSH server; `None` is its default.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Sshd {
    /// `PermitRootLogin`.
    pub(crate) root_login: Option<String>,
    /// `PasswordAuthentication`.
    pub(crate) passwords: Option<String>,
    /// `PermitEmptyPasswords`.
    pub(crate) empty_passwords: Option<String>,
}

/// Modes of important files.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct FileModes {
    /// Files looked at.
    pub(crate) looked_at: usize,
    /// Those that everybody can write.
    pub(crate) world_writable: Vec<String>,
}
