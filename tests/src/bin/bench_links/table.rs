//! The links.

use std::time::Duration;

use nearhand_tests::impaired_link::LinkImpairment;
use nearhand_tests::remote::OfficeLink;

/// A link, and what is expected of sessions over it.
pub(crate) struct LinkProfile {
    pub(crate) name: &'static str,
    pub(crate) far: OfficeLink,
    /// The person should be asked within this, in seconds.
    pub(crate) asked: Option<f64>,
    /// A word each way, p95, in milliseconds.
    pub(crate) word: Option<f64>,
    /// A key's doing is seen, p95, in milliseconds.
    pub(crate) key: Option<f64>,
    /// In the short form, too.
    pub(crate) always: bool,
}

const NOTHING: LinkImpairment =
    LinkImpairment { delay: Duration::ZERO, jitter: Duration::ZERO, loss: 0, doubled: 0, rate: 0, queue: 0 };
/// On any link, slower than this is not usable.
const USABLE: LinkProfile = LinkProfile {
    name: "",
    far: OfficeLink { up: NOTHING, down: NOTHING, mtu: None },
    asked: Some(10.0),
    word: Some(2_000.0),
    key: Some(2_000.0),
    always: false,
};

/// Half of a round trip in ms, and the frames of 1,000 that are lost each way.
const fn far(delay: u64, loss: u32) -> OfficeLink {
    let way = LinkImpairment { delay: Duration::from_millis(delay), loss, ..NOTHING };
    OfficeLink { up: way, down: way, mtu: None }
}

/// As [`far`], with rates in kbit/s away from the office and to it, behind queues of 200 ms.
const fn slow(delay: u64, up: u64, down: u64) -> OfficeLink {
    const fn way(delay: u64, kbit: u64) -> LinkImpairment {
        let rate = kbit * 1_000;
        LinkImpairment { delay: Duration::from_millis(delay), rate, queue: rate / 8 / 5, ..NOTHING }
    }
    OfficeLink { up: way(delay, up), down: way(delay, down), mtu: None }
}

/// Up to this many ms later, differently for each frame.
const fn jittery(far: OfficeLink, ms: u64) -> OfficeLink {
    let jitter = Duration::from_millis(ms);
    OfficeLink { up: LinkImpairment { jitter, ..far.up }, down: LinkImpairment { jitter, ..far.down }, ..far }
}

const fn doubling(far: OfficeLink, of_thousand: u32) -> OfficeLink {
    OfficeLink {
        up: LinkImpairment { doubled: of_thousand, ..far.up },
        down: LinkImpairment { doubled: of_thousand, ..far.down },
        ..far
    }
}

/// From good to hardly there.
pub(crate) const LINKS: [LinkProfile; 14] = [
    LinkProfile { name: "LAN", far: far(0, 0), always: true, ..USABLE },
    LinkProfile { name: "DSL, 30 ms, 16/2 Mbit/s", far: slow(15, 2_000, 16_000), ..USABLE },
    LinkProfile {
        name: "LTE, 50 ms ± 20, 20/10 Mbit/s",
        far: jittery(slow(15, 10_000, 20_000), 20),
        ..USABLE
    },
    LinkProfile { name: "satellite, 600 ms, 20/3 Mbit/s", far: slow(300, 3_000, 20_000), ..USABLE },
    LinkProfile { name: "1 % loss, 40 ms", far: far(20, 10), ..USABLE },
    LinkProfile { name: "5 % loss, 40 ms", far: far(20, 50), always: true, ..USABLE },
    // Connected is enough here, and a key within 2 s.
    LinkProfile { name: "20 % loss, 40 ms", far: far(20, 200), asked: None, word: None, ..USABLE },
    LinkProfile { name: "300 ms", far: far(150, 0), asked: Some(3.0), always: true, ..USABLE },
    // Nothing takes less than a round trip.
    LinkProfile { name: "800 ms", far: far(400, 0), ..USABLE },
    LinkProfile { name: "1 Mbit/s, 80 ms", far: slow(40, 1_000, 1_000), ..USABLE },
    LinkProfile { name: "1 Mbit/s, 80 ms, 5 % loss", far: lossy(slow(40, 1_000, 1_000), 50), ..USABLE },
    LinkProfile { name: "MTU 1,280", far: OfficeLink { mtu: Some(1_280), ..far(10, 0) }, ..USABLE },
    LinkProfile { name: "out of order, 40 ms ± 30", far: jittery(far(5, 0), 30), ..USABLE },
    LinkProfile { name: "every fifth doubled, 40 ms", far: doubling(far(20, 0), 200), ..USABLE },
];

const fn lossy(far: OfficeLink, of_thousand: u32) -> OfficeLink {
    OfficeLink {
        up: LinkImpairment { loss: of_thousand, ..far.up },
        down: LinkImpairment { loss: of_thousand, ..far.down },
        ..far
    }
}
