//! Poor links between the office and the device: how long a key takes until what it did is seen, and how old the newest
//! state is that is seen, for us and for TigerVNC's X server through the same link.

use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_tests::link::Badness;
use nearhand_tests::program::{Logs, until};
use nearhand_tests::remote::Far;
use nearhand_tests::rows::{Better, Row};
use nearhand_tests::stage::{Echo, Marker};

use crate::acts::{Act, Workload};
use nearhand_tests::scene::{COLORS, Scene, System, echo, latency};

/// What has gone on the device's display may be seen for so long, through the worst link.
const LAST_SEEN: Duration = Duration::from_secs(30);

/// A link, and what goes on on the device's display meanwhile.
struct Link {
    name: &'static str,
    far: Far,
    workload: Workload,
}

fn links() -> [Link; 3] {
    let ms = Duration::from_millis;
    let far = |delay| Badness { delay: ms(delay), ..Badness::default() };
    [
        Link {
            name: "1 Mbit/s, 80 ms, 5 % loss",
            far: Far {
                up: far(40),
                down: Badness { loss: 50, rate: 1_000_000, queue: 64_000, ..far(40) },
                mtu: None,
            },
            workload: Workload::Typing,
        },
        Link {
            name: "300 ms round trip",
            far: Far { up: far(150), down: far(150), mtu: None },
            workload: Workload::Scrolling,
        },
        Link {
            // A queue of 300 ms.
            name: "10 Mbit/s, 40 ms, deep queue",
            far: Far {
                up: far(20),
                down: Badness { rate: 10_000_000, queue: 375_000, ..far(20) },
                mtu: None,
            },
            workload: Workload::Flood,
        },
    ]
}

/// All links, through us and through TigerVNC.
pub(crate) fn measure(only: Option<&str>, marks: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for link in &links() {
        let mut theirs: Option<[[f64; 2]; 2]> = None;
        for system in [System::Xvnc, System::Ours] {
            if only.is_some_and(|name| name != system.name()) {
                continue;
            }
            eprintln!("{} through {}:", link.name, system.name());
            let figures =
                one(system, link, marks).with_context(|| format!("{}, {}", link.name, system.name()))?;
            for (what, [p50, p95]) in ["key to painted", "newest state"].into_iter().zip(figures) {
                eprintln!("  {what}: p50 {p50:.0} ms, p95 {p95:.0} ms");
            }
            if system == System::Xvnc {
                theirs = Some(figures);
                continue;
            }
            for (n, what) in ["key to painted", "newest state"].into_iter().enumerate() {
                for (m, share) in ["p50", "p95"].into_iter().enumerate() {
                    let pick = |figures: &[[f64; 2]; 2]| figures.get(n).and_then(|one| one.get(m)).copied();
                    let (own, peer) = (pick(&figures).unwrap_or(f64::NAN), theirs.as_ref().and_then(pick));
                    let name = format!("{}: {what} {share}", link.name);
                    rows.push(Row::new(&name, own, "ms", peer, Better::Lower));
                }
            }
        }
    }
    Ok(rows)
}

fn one(system: System, link: &Link, marks: usize) -> Result<[[f64; 2]; 2]> {
    let logs = Logs::default();
    let outcome = (|| {
        let mut scene = Scene::set(system, &logs, Some(&link.far))?;
        let marker = Marker::show(scene.device.eye()?, 1_800, 40, COLORS[0])?;
        scene.open(COLORS[0])?;
        let eye = scene.viewer.eye()?;
        let at = eye.find(COLORS[0])?.context("the marker has gone")?;
        let act = Act::begin(link.workload, &scene.device)?;
        let newest = latency(&marker, &eye, at, marks)?;
        drop(marker);
        // Until it has gone there too, it would be taken for the other square.
        until(LAST_SEEN, "the marker's end", || Ok(eye.find(COLORS[0])?.is_none()))?;
        let echoing = Echo::show(scene.device.eye()?, 1_700, 140, COLORS)?;
        let keys = echo(&scene, &echoing, marks)?;
        drop(act);
        Ok([keys, newest])
    })();
    if outcome.is_err() {
        eprintln!("{}", logs.dump());
    }
    outcome
}
