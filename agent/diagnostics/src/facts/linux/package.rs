//! Packages: dpkg's status file or `rpm`, `apt-get -s` or `dnf`.

use std::sync::Arc;

use crate::facts::root::SystemRoot;
use crate::facts::update::{AvailableUpdates, InstalledPackages};
use crate::facts::{CollectContext, Fact, FactSource, MissingFact, blocking};

/// Most packages that the inventory keeps.
const INVENTORY_LIMIT: usize = 5_000;

/// Most of dpkg's status file that is read; 3,000 packages take about 4 MiB.
const STATUS_LIMIT: u64 = 32 * 1024 * 1024;

/// Reads installed packages.
pub(super) async fn packages(context: &Arc<CollectContext>) -> Fact<InstalledPackages> {
    if context.root.has("/var/lib/dpkg/status") {
        let root: SystemRoot = context.root.clone();
        return blocking(context, FactSource::Packages, move || {
            Ok(parse_dpkg(&root.text_up_to("/var/lib/dpkg/status", STATUS_LIMIT)?))
        })
        .await;
    }
    let no_database = |_| MissingFact::Absent("a package database (dpkg, rpm)".to_owned());
    context.programs.find("rpm").map_err(no_database)?;
    let output = context.programs.run("rpm", &["-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n"]).await?;
    Ok(parse_rpm(&output.text))
}

/// dpkg's status file: paragraphs of `Key: value`, parted by empty lines (deb-control(5)).
fn parse_dpkg(text: &str) -> InstalledPackages {
    let mut packages = InstalledPackages::default();
    for paragraph in text.split("\n\n") {
        let field = |key: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).map(str::trim)
        };
        let (Some(name), Some(status)) = (field("Package"), field("Status")) else { continue };
        let mut words = status.split_whitespace();
        let (wanted, fault, state) = (words.next(), words.next(), words.next().unwrap_or(""));
        match state {
            "not-installed" | "config-files" => continue,
            "installed" if fault == Some("ok") => {}
            "triggers-awaited" | "triggers-pending" if fault == Some("ok") => {}
            "installed" => packages.broken.push((name.to_owned(), "needs to be installed again".to_owned())),
            other => packages.broken.push((name.to_owned(), other.to_owned())),
        }
        packages.count += 1;
        if wanted == Some("hold") {
            packages.held.push(name.to_owned());
        }
        if packages.installed.len() < INVENTORY_LIMIT {
            packages.installed.insert(name.to_owned(), field("Version").unwrap_or("").to_owned());
        }
    }
    packages
}

fn parse_rpm(text: &str) -> InstalledPackages {
    let pairs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    InstalledPackages {
        count: pairs.len(),
        installed: pairs
            .into_iter()
            .take(INVENTORY_LIMIT)
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect(),
        ..InstalledPackages::default()
    }
}

/// Asks what an update would install, without renewing the lists and without installing.
pub(super) async fn pending(context: &Arc<CollectContext>) -> Fact<AvailableUpdates> {
    if context.programs.find("apt-get").is_ok() {
        let arguments = ["-s", "-q", "-o", "Debug::NoLocking=true", "dist-upgrade"];
        let output = context.programs.run("apt-get", &arguments).await?;
        return match output.code {
            Some(0) => Ok(parse_apt(&output.text)),
            _ => Err(MissingFact::failed("apt-get", output.complaint)),
        };
    }
    let none = |_| MissingFact::Absent("a package tool that lists updates (apt-get, dnf)".to_owned());
    context.programs.find("dnf").map_err(none)?;
    let all = context.programs.run("dnf", &["-q", "-C", "check-update"]).await?;
    // 0: none, 100: some (dnf(8)).
    if !matches!(all.code, Some(0 | 100)) {
        return Err(MissingFact::failed("dnf", all.complaint));
    }
    let security = context.programs.run("dnf", &["-q", "-C", "--security", "check-update"]).await?;
    Ok(AvailableUpdates { all: parse_dnf(&all.text), security: parse_dnf(&security.text) })
}

/// `Inst libssl3 [3.0.11-1] (3.0.13-1~deb12u1 Debian-Security:12/stable-security [amd64])`
fn parse_apt(text: &str) -> AvailableUpdates {
    let mut pending = AvailableUpdates::default();
    for line in text.lines() {
        let Some((name, rest)) = line.strip_prefix("Inst ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        // Without an old version in brackets it is something new that another package wants.
        if !rest.starts_with('[') {
            continue;
        }
        pending.all.push(name.to_owned());
        if rest.to_ascii_lowercase().contains("-security") {
            pending.security.push(name.to_owned());
        }
    }
    pending
}

/// `openssl-libs.x86_64    1:3.0.7-27.el9    baseos`; ends where obsoleted packages are listed.
fn parse_dnf(text: &str) -> Vec<String> {
    text.lines()
        .take_while(|line| !line.starts_with("Obsoleting"))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, _version, _source) = (words.next()?, words.next()?, words.next()?);
            name.rsplit_once('.').map(|(name, _)| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dpkg_states() {
        let packages = parse_dpkg(
            "Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2\nDescription: shell\n text Package: no\n\n\
             Package: linux-image\nStatus: hold ok installed\nVersion: 6.1\n\n\
             Package: broken\nStatus: install ok half-configured\nVersion: 1\n\n\
             Package: again\nStatus: install reinstreq installed\nVersion: 1\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
             garbage\n",
        );
        assert_eq!(packages.count, 4);
        assert_eq!(packages.installed["bash"], "5.2.15-2");
        assert_eq!(packages.held, ["linux-image"]);
        let broken: Vec<_> = packages.broken.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(broken, ["broken", "again"]);
    }

    #[test]
    fn reads_what_apt_would_do() {
        let pending = parse_apt(
            "NOTE: This is only a simulation!\nReading package lists...\n\
             Inst libssl3 [3.0.11-1] (3.0.13-1~deb12u1 Debian-Security:12/stable-security [amd64])\n\
             Inst tzdata [2024a-0] (2024b-0 Debian:12.8/stable, Debian:12-updates/stable-updates [all])\n\
             Inst linux-image-6.1.0-28 (6.1.119-1 Debian-Security:12/stable-security [amd64])\n\
             Conf libssl3 (3.0.13-1 Debian-Security:12/stable-security [amd64])\n",
        );
        assert_eq!(pending.all, ["libssl3", "tzdata"]);
        assert_eq!(pending.security, ["libssl3"]);
    }

    #[test]
    fn reads_dnf_and_rpm() {
        let text = "\nopenssl-libs.x86_64   1:3.0.7-27.el9   baseos\nObsoleting Packages\na.noarch 1 x\n";
        assert_eq!(parse_dnf(text), ["openssl-libs"]);
        assert_eq!(parse_rpm("bash 5.1-2\nzlib 1.2\n").count, 2);
    }
}
