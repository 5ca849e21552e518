//! Whether this system is a container, and which: by the rules of systemd-detect-virt(1), `src/basic/virt.c`.

use crate::facts::root::SystemRoot;

/// Names that systemd gives containers; what else a manager calls itself is [`OTHER`].
const KNOWN: [&str; 10] =
    ["openvz", "lxc", "lxc-libvirt", "systemd-nspawn", "docker", "podman", "rkt", "wsl", "proot", "pouch"];

/// A container of a manager that isn't known.
const OTHER: &str = "container";

/// The container's manager; `None` outside of one.
pub(super) fn container(root: &SystemRoot) -> Option<&'static str> {
    // OpenVZ and Virtuozzo have both on the host, and only the first inside.
    if root.has("/proc/vz") && !root.has("/proc/bc") {
        return Some("openvz");
    }
    let kernel = root.line("/proc/sys/kernel/osrelease").unwrap_or_default();
    if kernel.contains("Microsoft") || kernel.contains("WSL") {
        return Some("wsl");
    }
    if is_proot(root) {
        return Some("proot");
    }
    // What the manager left for everybody, what PID 1 made of it, and PID 1's own environment, which only root may read.
    let named = root
        .line("/run/host/container-manager")
        .or_else(|| root.line("/run/systemd/container"))
        .or_else(|| environment_of_init(root));
    match named.as_deref() {
        // The specification's name (oci) says nothing about the manager.
        None | Some("" | "oci") => by_files(root).or_else(|| named.as_deref().and_then(of_name)),
        Some(name) => of_name(name),
    }
}

fn of_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return None;
    }
    Some(KNOWN.into_iter().find(|known| *known == name).unwrap_or(OTHER))
}

fn environment_of_init(root: &SystemRoot) -> Option<String> {
    let environment = root.text("/proc/1/environ").ok()?;
    environment.split('\0').find_map(|entry| entry.strip_prefix("container=")).map(str::to_owned)
}

/// PRoot runs programs under ptrace: the tracer is called so.
fn is_proot(root: &SystemRoot) -> bool {
    let status = root.text("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).map(str::trim);
    let tracer = tracer.filter(|pid| *pid != "0");
    tracer
        .and_then(|pid| root.line(&format!("/proc/{pid}/comm")))
        .is_some_and(|name| name.starts_with("proot"))
}

fn by_files(root: &SystemRoot) -> Option<&'static str> {
    if root.has("/run/.containerenv") {
        return Some("podman");
    }
    if root.has("/.dockerenv") {
        return Some("docker");
    }
    // The root group of the whole machine has no events; the root of a namespace is another group, and has. Version 1
    // has a release agent at the machine's root only.
    let version_2 = root.has("/sys/fs/cgroup/cgroup.controllers");
    let version_1 = !version_2 && root.has("/sys/fs/cgroup/systemd/cgroup.procs");
    let inside = (version_2 && root.has("/sys/fs/cgroup/cgroup.events"))
        || (version_1 && !root.has("/sys/fs/cgroup/systemd/release_agent"));
    inside.then_some(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    fn of(files: &[(&str, &str)]) -> Option<&'static str> {
        let (_dir, root) = tree(files);
        container(&root)
    }

    #[test]
    fn containers_are_told_by_what_their_managers_leave() {
        for (files, name) in [
            (&[("/run/systemd/container", "lxc\n")][..], "lxc"),
            (&[("/proc/1/environ", "PATH=/bin\0container=lxc\0TERM=linux\0")], "lxc"),
            (&[("/run/host/container-manager", "systemd-nspawn\n")], "systemd-nspawn"),
            (&[("/proc/1/environ", "container=crio")], "container"),
            (&[("/proc/1/environ", "container=oci"), ("/run/.containerenv", "")], "podman"),
            (&[("/proc/1/environ", "container=oci")], "container"),
            (&[("/.dockerenv", "")], "docker"),
            (&[("/run/.containerenv", "engine=\"podman\"\n")], "podman"),
            (&[("/run/systemd/container", "lxc\n"), ("/.dockerenv", "")], "lxc"),
            (&[("/proc/vz/veinfo", "")], "openvz"),
            (&[("/proc/sys/kernel/osrelease", "5.15.146.1-microsoft-standard-WSL2\n")], "wsl"),
            (&[("/proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n")], "wsl"),
            (&[("/proc/self/status", "Name:\tx\nTracerPid:\t7\n"), ("/proc/7/comm", "proot\n")], "proot"),
            (
                &[
                    ("/sys/fs/cgroup/cgroup.controllers", ""),
                    ("/sys/fs/cgroup/cgroup.events", "populated 1\n"),
                ],
                "container",
            ),
            (&[("/sys/fs/cgroup/systemd/cgroup.procs", "1\n")], "container"),
        ] {
            assert_eq!(of(files), Some(name), "{files:?}");
        }
    }

    #[test]
    fn machines_are_no_containers() {
        for files in [
            &[("/proc/1/environ", "HOME=/\0TERM=linux\0not_container=lxc\0")][..],
            &[("/proc/vz/veinfo", ""), ("/proc/bc/0/resources", "")],
            &[("/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")],
            &[("/proc/self/status", "TracerPid:\t7\n"), ("/proc/7/comm", "gdb\n")],
            &[("/proc/self/status", "TracerPid:\t0\n")],
            &[("/sys/fs/cgroup/cgroup.controllers", "cpu\n")],
            &[("/sys/fs/cgroup/systemd/cgroup.procs", ""), ("/sys/fs/cgroup/systemd/release_agent", "")],
            &[("/run/systemd/container", "\n")],
            &[],
        ] {
            assert_eq!(of(files), None, "{files:?}");
        }
    }
}
