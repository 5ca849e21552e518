//! Facts about protection. Types only.

use serde::{Deserialize, Serialize};

/// Whether a packet filter protects this machine.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct FirewallState {
    /// What filters, for example `ufw`; empty if nothing was found.
    pub active: Vec<String>,
    /// Firewalls that are installed and switched off.
    pub switched_off: Vec<String>,
    /// `true` where the kernel's own rules could be read, so that finding nothing means something.
    pub rules_readable: bool,
    /// `true` where there are rules for what comes in, and strangers get through: they ban, count, or serve guests.
    pub passing: bool,
}

/// Encryption of the disks.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct DiskEncryption {
    /// Mount points and whether each lies on an encrypted device.
    pub mounts: Vec<(String, bool)>,
    /// `true` for a machine that is carried about.
    pub portable: bool,
}

/// Secure boot, access control modules, processor flaws.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PlatformSecurity {
    /// `true` where it was started by UEFI.
    pub efi: bool,
    /// Whether secure boot is on.
    pub secure_boot: Option<bool>,
    /// Access control modules that are on, for example `AppArmor`.
    pub access_control: Vec<String>,
    /// `true` where the list above could be read.
    pub access_control_known: bool,
    /// Processor flaws without a remedy.
    pub vulnerable: Vec<String>,
    /// Processor flaws that the kernel knows.
    pub flaws_known: usize,
}

/// Accounts with rights.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PrivilegedAccounts {
    /// Members of the groups that may become root.
    pub admins: Vec<String>,
    /// Accounts other than root with user number 0.
    pub extra_root: Vec<String>,
    /// Accounts that can log in.
    pub people: usize,
}

/// Users without a password.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PasswordState {
    /// Accounts with an empty password.
    pub empty: Vec<String>,
}

/// A port open to others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
pub struct OpenPort {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port number.
    pub number: u16,
    /// The listening program's name, where it could be told.
    pub program: Option<String>,
}

/// Settings of the SSH server; `None` is its default.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct SshdSettings {
    /// Value of `PermitRootLogin`, if set.
    pub root_login: Option<String>,
    /// Value of `PasswordAuthentication`, if set.
    pub passwords: Option<String>,
    /// Value of `PermitEmptyPasswords`, if set.
    pub empty_passwords: Option<String>,
    /// Value of `KbdInteractiveAuthentication`, if set: passwords too, where PAM asks for them.
    pub keyboard_interactive: Option<String>,
    /// Value of `UsePAM`, if set.
    pub pam: Option<String>,
    /// Value of `AuthenticationMethods`, if set: lists parted by blanks, all methods of one list are needed.
    pub methods: Option<String>,
    /// Settings of `Match` blocks: condition, key, value.
    pub conditional: Vec<(String, String, String)>,
}

/// Modes of important files.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct FileModes {
    /// Files looked at.
    pub looked_at: usize,
    /// Those that everybody can write.
    pub world_writable: Vec<String>,
}
