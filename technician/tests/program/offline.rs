//! What works, and fails properly, without any relay.

use crate::fake::{Workstation, claimed};
use clap::CommandFactory;
use nearhand_client::command::ClientCli;
use nearhand_client::exit::ExitCode;

#[tokio::test]
async fn what_is_missing_is_said_with_its_code() {
    let person = Workstation::new();
    for args in [["devices"], ["site"], ["sync"], ["rotate"], ["status"], ["people"]] {
        let ran = person.run(&args).await;
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains("nearhand join"), "{ran:?}");
    }
    assert_eq!(person.run(&["nonsense"]).await.code, 2);
    assert_eq!(person.run(&["join", "nearhand-invite-AAAA"]).await.code, 2);
    assert_eq!(person.run(&["join", "nearhand-claim-AAAA"]).await.code, 2);
    assert_eq!(person.run(&["invite", "a\u{202e}b"]).await.code, 2);
}

#[tokio::test]
async fn a_relay_that_is_gone_is_unreachable() {
    let (relay, admin) = claimed().await;
    drop(relay);
    // The fake's endpoint lives on in its task; a port nobody has answers nothing.
    let profile = admin.home().join("profile.toml");
    let text = std::fs::read_to_string(&profile).unwrap();
    let line = text.lines().find(|l| l.starts_with("port")).unwrap().to_owned();
    let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(&profile, text.replace(&line, &format!("port = {unused}"))).unwrap();
    let ran = admin.run(&["--json", "status"]).await;
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(ran.json()["name"], "Ada");
}

#[tokio::test]
async fn the_organisation_key_comes_back_from_its_backup() {
    let (_relay, admin) = claimed().await;
    let (file, pass) = (admin.path("backup"), admin.path("pass"));
    std::fs::write(&pass, "correct horse battery\n").unwrap();
    let (file, pass) = (file.to_str().unwrap(), pass.to_str().unwrap());
    admin.ok(&["organisation", "backup", file, "--passphrase-file", pass]).await;
    let twice = admin.run(&["organisation", "backup", file, "--passphrase-file", pass]).await;
    assert_eq!(twice.code, 2, "never over a file: {twice:?}");
    let key = std::fs::read(admin.home().join("organisation.key")).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let seed = String::from_utf8(key.clone()).unwrap().trim().rsplit(' ').next().unwrap().to_owned();
    assert!(!text.contains(&seed));

    let restore = ["organisation", "restore", file, "--passphrase-file", pass];
    assert_eq!(admin.run(&restore).await.code, 2, "never over the key that is here");
    std::fs::remove_file(admin.home().join("organisation.key")).unwrap();
    assert_eq!(admin.run(&["invite", "Grace"]).await.code, 3);
    std::fs::write(pass, "wrong horse battery\n").unwrap();
    assert_eq!(admin.run(&restore).await.code, 11);
    std::fs::write(pass, "correct horse battery\n").unwrap();
    admin.ok(&restore).await;
    assert_eq!(std::fs::read(admin.home().join("organisation.key")).unwrap(), key);
    admin.ok(&["invite", "Grace"]).await;
    // Another organisation's directory does not take it.
    let (_other_relay, other) = claimed().await;
    std::fs::remove_file(other.home().join("organisation.key")).unwrap();
    assert_eq!(other.run(&restore).await.code, 2);
}

#[tokio::test]
async fn completions_and_manual_pages_cover_all_commands() {
    let person = Workstation::new();
    assert!(person.ok(&["completions", "bash"]).await.out.contains("nearhand"));
    assert!(person.ok(&["man"]).await.out.contains(".TH nearhand 1"));
    let dir = person.path("man");
    person.ok(&["man", dir.to_str().unwrap()]).await;
    for command in ClientCli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(dir.join(format!("nearhand-{}.1", command.get_name())).exists(), "{}", command.get_name());
    }
    ClientCli::command().debug_assert();
}

#[test]
fn the_documentation_knows_every_exit_code_and_command() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/client.md")).unwrap();
    for (code, number) in ExitCode::ALL.into_iter().zip(0_u8..) {
        assert_eq!(code.number(), number);
        let row = format!("| {number} | `{}` |", code.name());
        assert!(docs.contains(&row), "docs/client.md lacks {row:?}");
    }
    for command in ClientCli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("nearhand {}", command.get_name());
        assert!(docs.contains(&name), "docs/client.md lacks {name:?}");
    }
}
