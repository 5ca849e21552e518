//! Which kernel is installed and newer than the running one: `/lib/modules`, compared by the distribution's order.

use core::cmp::Ordering;

use super::container;
use super::version::VersionOrder;
use crate::facts::root::SystemRoot;

/// Architectures at the end of rpm's kernel names.
const RPM_ARCHITECTURES: [&str; 8] =
    ["x86_64", "aarch64", "ppc64le", "s390x", "i686", "armv7hl", "riscv64", "loongarch64"];

/// Where kernels lie that aren't with their modules: their names before the version.
const IMAGES: [&str; 5] = ["vmlinuz-", "vmlinux-", "Image-", "image-", "kernel-"];

/// A kernel's name, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
struct KernelName {
    /// What is compared.
    version: String,
    /// Kernels of different flavours don't replace each other: `amd64`, `rt-amd64`, `cloud-amd64`, `lts`, `el`.
    flavour: String,
    /// Named as rpm does, with the architecture at the end.
    is_rpm: bool,
}

impl KernelName {
    fn parse(name: &str) -> Self {
        let (plain, variant) = name.split_once('+').unwrap_or((name, ""));
        match RPM_ARCHITECTURES.iter().find_map(|arch| plain.strip_suffix(arch)?.strip_suffix('.')) {
            Some(version) => Self::of_rpm(version, variant),
            None => Self::of_dashes(name),
        }
    }

    /// `6.9.7-200.fc40`, `5.14.0-427.13.1.el9_4`, `5.15.0-203.146.5.1.el9uek`; `rt` or `debug` stand after a plus, or `rt7`
    /// in the release. The distribution's own number is no flavour: it grows with its releases.
    fn of_rpm(version: &str, variant: &str) -> Self {
        let release = version.split_once('-').map_or("", |(_, release)| release);
        let letters = |part: &str| part.chars().filter(char::is_ascii_alphabetic).collect::<String>();
        let is_word = |part: &&str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && !part.starts_with("rc")
                && !part.starts_with("git")
        };
        let mut flavour: Vec<String> = release.split('.').filter(is_word).map(letters).collect();
        flavour.extend((!variant.is_empty()).then(|| variant.to_owned()));
        Self { version: version.to_owned(), flavour: flavour.join("-"), is_rpm: true }
    }

    /// `6.1.0-18-rt-amd64`, `6.12.41+deb13-cloud-amd64`, `6.9.1-arch1-1`, `6.6.32-1-lts`, `6.4.0-150600.23.7-default`,
    /// `6.6.20+rpt-rpi-v8`, `6.1.0-rpi7-rpi-v8`: the version, and from the first part that is none on the flavour.
    fn of_dashes(name: &str) -> Self {
        let parts: Vec<&str> = name.split('-').collect();
        let mut version = vec![parts.first().copied().unwrap_or_default().to_owned()];
        let mut flavour: Vec<&str> = Vec::new();
        let mut rest = parts.iter().skip(1).peekable();
        while let Some(part) = rest.next() {
            let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
            let is_numbered = !word.is_empty() && word.len() < part.len();
            let number_follows =
                rest.peek().is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
            if !flavour.is_empty() && word != "r" {
                flavour.push(part);
            } else if part.starts_with(|c: char| c.is_ascii_digit())
                || (is_numbered && matches!(word, "r" | "rpi"))
            {
                version.push((*part).to_owned());
            } else if is_numbered && word == "rc" {
                version.push(format!("~{part}"));
            } else if is_numbered && number_follows {
                // `arch1-1`: its number is part of the version, its name is the flavour.
                version.push(part.get(word.len()..).unwrap_or_default().to_owned());
                flavour.push(word);
                version.extend(rest.next().map(|part| (*part).to_owned()));
            } else {
                flavour.push(part);
            }
        }
        Self { version: version.join("-").replace("-~", "~"), flavour: flavour.join("-"), is_rpm: false }
    }

    /// `true` where one takes the other's place when it is newer.
    fn replaces(&self, other: &Self) -> bool {
        // Manjaro offers several series side by side, under one flavour.
        let series = |name: &Self| name.version.split('.').take(2).collect::<Vec<_>>().join(".");
        let is_series = self.flavour == "MANJARO";
        self.is_rpm == other.is_rpm
            && self.flavour == other.flavour
            && (!is_series || series(self) == series(other))
    }
}

/// The newest of `installed` that takes the place of `running`, or `running` itself.
fn newest<'a>(running: &'a str, installed: &'a [String], order: VersionOrder) -> &'a str {
    let own = KernelName::parse(running);
    let order = if own.is_rpm { VersionOrder::Rpm } else { order };
    let newer = installed
        .iter()
        .map(|name| (name.as_str(), KernelName::parse(name)))
        .filter(|(_, name)| name.replaces(&own))
        .filter(|(_, name)| order.compare(&name.version, &own.version) == Ordering::Greater)
        .max_by(|(_, a), (_, b)| order.compare(&a.version, &b.version));
    newer.map_or(running, |(name, _)| name)
}

/// How sure it is that a kernel is installed and not only left something behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum KernelTraces {
    /// A directory, perhaps with what somebody built for a kernel that has gone.
    Directory,
    /// Its modules.
    Modules,
    /// The kernel itself.
    Image,
}

fn traces(root: &SystemRoot, name: &str, images: &[String]) -> KernelTraces {
    let has = |file: &str| root.has(&format!("/lib/modules/{name}/{file}"));
    let is_image = |file: &String| {
        IMAGES.iter().any(|prefix| file.strip_prefix(prefix).is_some_and(|rest| rest == name))
    };
    if ["vmlinuz", "vmlinux", "Image", "pkgbase"].iter().any(|file| has(file)) || images.iter().any(is_image)
    {
        KernelTraces::Image
    } else if has("kernel") || has("modules.builtin") {
        KernelTraces::Modules
    } else {
        KernelTraces::Directory
    }
}

/// The newest kernel that is installed; `None` where that means nothing: in containers and guests whose kernel comes from
/// outside.
pub(super) fn newest_kernel(root: &SystemRoot, running: &str) -> Option<String> {
    let mut installed = root.names("/lib/modules").ok()?;
    installed.retain(|name| name.starts_with(|c: char| c.is_ascii_digit()));
    let images = root.names("/boot").unwrap_or_default();
    // Removing a kernel may leave its directory, with modules that were built for it. What counts needs the traces that
    // the running kernel has, as far as that one is there.
    let is_there = installed.iter().any(|name| name == running);
    let needed = if is_there { traces(root, running, &images) } else { KernelTraces::Modules };
    installed.retain(|name| traces(root, name, &images) >= needed);
    let order = if root.has("/var/lib/dpkg") { VersionOrder::Deb } else { VersionOrder::Rpm };
    let newest = newest(running, &installed, order);
    // Arch removes the running kernel's modules when it updates it. Elsewhere a kernel without modules comes from outside.
    let is_arch = root.has("/var/lib/pacman") && container::container(root).is_none();
    (is_there || (is_arch && newest != running)).then(|| newest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    /// The newest of two or more, the running one first.
    fn of(names: &[&str]) -> String {
        let installed: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let deb = newest(names[0], &installed, VersionOrder::Deb).to_owned();
        assert_eq!(
            deb,
            newest(names[0], &installed, VersionOrder::Rpm),
            "the order matters for none of these"
        );
        deb
    }

    #[test]
    fn newer_ones_of_the_same_flavour_are_found() {
        for names in [
            ["6.8.5-301.fc40.x86_64", "6.9.7-200.fc40.x86_64"],
            ["6.8.5-201.fc39.x86_64", "6.8.5-301.fc40.x86_64"],
            ["5.14.0-427.13.1.el9_4.x86_64", "5.14.0-503.11.1.el9_5.x86_64"],
            ["5.14.0-427.13.1.el9_4.x86_64+rt", "5.14.0-503.11.1.el9_5.x86_64+rt"],
            ["4.18.0-553.rt7.342.el8_10.x86_64", "4.18.0-553.5.1.rt7.346.el8_10.x86_64"],
            ["5.15.0-203.146.5.1.el9uek.x86_64", "5.15.0-206.153.7.el9uek.x86_64"],
            ["6.1.90-99.173.amzn2023.x86_64", "6.1.112-122.189.amzn2023.x86_64"],
            ["6.10.0-0.rc4.40.fc41.x86_64", "6.10.0-0.rc5.20240628git1234567.fc41.x86_64"],
            ["6.9.1-arch1-1", "6.10.2-arch1-2"],
            ["6.9.1-arch1-1", "6.9.1-arch1-2"],
            ["6.9.1-arch1-1", "6.9.1-arch2-1"],
            ["6.9.1-zen1-1-zen", "6.9.2-zen1-1-zen"],
            ["6.6.32-1-lts", "6.6.33-1-lts"],
            ["6.1.0-9-amd64", "6.1.0-13-amd64"],
            ["6.1.0-18-rt-amd64", "6.1.0-21-rt-amd64"],
            ["6.1.0-18-cloud-amd64", "6.1.0-21-cloud-amd64"],
            ["6.1.0-18-686-pae", "6.1.0-21-686-pae"],
            ["6.12.9+deb13-amd64", "6.12.41+deb13-amd64"],
            ["5.15.0-97-generic", "5.15.0-101-generic"],
            ["5.15.0-97-generic", "6.5.0-28-generic"],
            ["6.5.0-27-lowlatency", "6.5.0-28-lowlatency"],
            ["6.8.0-1008-aws", "6.8.0-1010-aws"],
            ["6.8.4-2-pve", "6.8.12-1-pve"],
            ["6.1.0-rpi7-rpi-v8", "6.1.0-rpi8-rpi-v8"],
            ["6.6.20+rpt-rpi-v8", "6.6.31+rpt-rpi-v8"],
            ["6.6.31+rpt-rpi-2712", "6.6.51+rpt-rpi-2712"],
            ["6.4.0-150600.23.7-default", "6.4.0-150600.23.14-default"],
            ["6.10-rc4-amd64", "6.10-amd64"],
            ["6.6.30-gentoo", "6.6.30-gentoo-r1"],
            ["6.9.3-3-MANJARO", "6.9.7-1-MANJARO"],
            ["6.6.32_1", "6.6.35_1"],
            ["6.6.31-0-lts", "6.6.32-0-lts"],
        ] {
            assert_eq!(of(&names), names[1], "{names:?}");
            assert_eq!(of(&[names[1], names[0]]), names[1], "{names:?}: an older one is left from before");
        }
    }

    #[test]
    fn other_flavours_take_no_place() {
        for names in [
            ["6.1.0-18-amd64", "6.1.0-18-rt-amd64"],
            ["6.1.0-18-amd64", "6.1.0-21-rt-amd64"],
            ["6.1.0-18-amd64", "6.5.0-1-cloud-amd64"],
            ["6.1.0-18-686", "6.1.0-21-686-pae"],
            ["5.15.0-97-generic", "6.5.0-28-lowlatency"],
            ["5.15.0-97-generic", "6.8.0-1010-aws"],
            ["5.15.0-97-generic", "5.15.0-101-generic-64k"],
            ["6.6.32-1-lts", "6.9.1-arch1-1"],
            ["6.9.1-arch1-1", "6.10.2-zen1-1-zen"],
            ["5.14.0-427.13.1.el9_4.x86_64", "5.14.0-503.11.1.el9_5.x86_64+debug"],
            ["5.14.0-427.13.1.el9_4.x86_64", "5.15.0-206.153.7.el9uek.x86_64"],
            ["4.18.0-553.el8_10.x86_64", "4.18.0-553.5.1.rt7.346.el8_10.x86_64"],
            ["6.8.5-301.fc40.x86_64", "6.9.1-custom"],
            ["6.6.32-1-MANJARO", "6.9.7-1-MANJARO"],
            ["6.6.31+rpt-rpi-v8", "6.6.51+rpt-rpi-2712"],
        ] {
            assert_eq!(of(&names), names[0], "{names:?}");
        }
    }

    #[test]
    fn removed_kernels_leave_directories() {
        let boot = ("/boot/vmlinuz-6.1.0-18-amd64", "");
        let own = ("/lib/modules/6.1.0-18-amd64/modules.builtin", "");
        let left = ("/lib/modules/6.1.0-21-amd64/updates/dkms/nvidia.ko", "");
        let of = |files: &[(&str, &str)]| {
            let (_dir, root) = tree(files);
            newest_kernel(&root, "6.1.0-18-amd64")
        };
        assert_eq!(of(&[boot, own, left]).as_deref(), Some("6.1.0-18-amd64"));
        let index = ("/lib/modules/6.1.0-21-amd64/modules.builtin", "");
        assert_eq!(of(&[boot, own, left, index]).as_deref(), Some("6.1.0-18-amd64"), "no image any more");
        assert_eq!(of(&[own, left, index]).as_deref(), Some("6.1.0-21-amd64"), "where images can't be seen");
        let installed = ("/boot/vmlinuz-6.1.0-21-amd64", "");
        assert_eq!(of(&[boot, own, index, installed]).as_deref(), Some("6.1.0-21-amd64"));
        assert_eq!(of(&[installed, index]), None, "the running kernel comes from outside");
    }

    #[test]
    fn arch_removes_the_running_kernels_modules() {
        let (_dir, root) = tree(&[
            ("/lib/modules/6.10.2-arch1-2/pkgbase", "linux\n"),
            ("/lib/modules/6.10.2-arch1-2/vmlinuz", ""),
            ("/var/lib/pacman/local/ALPM_DB_VERSION", "9\n"),
        ]);
        assert_eq!(newest_kernel(&root, "6.9.1-arch1-1").as_deref(), Some("6.10.2-arch1-2"));
        let (_inside, container) = tree(&[
            ("/lib/modules/6.10.2-arch1-2/vmlinuz", ""),
            ("/var/lib/pacman/local/ALPM_DB_VERSION", "9\n"),
            ("/.dockerenv", ""),
        ]);
        assert_eq!(newest_kernel(&container, "6.9.1-arch1-1"), None, "the kernel is the host's");
        assert_eq!(newest_kernel(&root, "6.11.0-arch1-1"), None);
        assert_eq!(newest_kernel(&root, "5.15.0-guest"), None);
    }
}
