//! The links.

use std::time::Duration;

use nearhand_tests::link::Badness;
use nearhand_tests::remote::Far;

/// A link, and what is expected of sessions over it.
pub(crate) struct Link {
    pub(crate) name: &'static str,
    pub(crate) far: Far,
    /// The person should be asked within this, in seconds.
    pub(crate) asked: Option<f64>,
    /// A word each way, p95, in milliseconds.
    pub(crate) word: Option<f64>,
    /// A key's doing is seen, p95, in milliseconds.
    pub(crate) key: Option<f64>,
    /// In the short form, too.
    pub(crate) always: bool,
}

const NOTHING: Badness =
    Badness { delay: Duration::ZERO, jitter: Duration::ZERO, loss: 0, doubled: 0, rate: 0, queue: 0 };
/// Whatever the link: slower than this is not usable.
const USABLE: Link = Link {
    name: "",
    far: Far { up: NOTHING, down: NOTHING, mtu: None },
    asked: Some(10.0),
    word: Some(2_000.0),
    key: Some(2_000.0),
    always: false,
};

/// Half of a round trip in ms, and so many frames lost of 1,000 each way.
const fn far(delay: u64, loss: u32) -> Far {
    let way = Badness { delay: Duration::from_millis(delay), loss, ..NOTHING };
    Far { up: way, down: way, mtu: None }
}

/// As [`far`], with rates in kbit/s away from the office and to it, behind queues of 200 ms.
const fn slow(delay: u64, up: u64, down: u64) -> Far {
    const fn way(delay: u64, kbit: u64) -> Badness {
        let rate = kbit * 1_000;
        Badness { delay: Duration::from_millis(delay), rate, queue: rate / 8 / 5, ..NOTHING }
    }
    Far { up: way(delay, up), down: way(delay, down), mtu: None }
}

/// Up to so many ms later, differently for each frame.
const fn jittery(far: Far, ms: u64) -> Far {
    let jitter = Duration::from_millis(ms);
    Far { up: Badness { jitter, ..far.up }, down: Badness { jitter, ..far.down }, ..far }
}

const fn doubling(far: Far, of_thousand: u32) -> Far {
    Far {
        up: Badness { doubled: of_thousand, ..far.up },
        down: Badness { doubled: of_thousand, ..far.down },
        ..far
    }
}

/// From good to hardly there.
pub(crate) const LINKS: [Link; 14] = [
    Link { name: "LAN", far: far(0, 0), always: true, ..USABLE },
    Link { name: "DSL, 30 ms, 16/2 Mbit/s", far: slow(15, 2_000, 16_000), ..USABLE },
    Link { name: "LTE, 50 ms ± 20, 20/10 Mbit/s", far: jittery(slow(15, 10_000, 20_000), 20), ..USABLE },
    Link { name: "satellite, 600 ms, 20/3 Mbit/s", far: slow(300, 3_000, 20_000), ..USABLE },
    Link { name: "1 % loss, 40 ms", far: far(20, 10), ..USABLE },
    Link { name: "5 % loss, 40 ms", far: far(20, 50), always: true, ..USABLE },
    // Connected is enough here, and a key within 2 s.
    Link { name: "20 % loss, 40 ms", far: far(20, 200), asked: None, word: None, ..USABLE },
    Link { name: "300 ms", far: far(150, 0), asked: Some(3.0), always: true, ..USABLE },
    // Nothing takes less than a round trip.
    Link { name: "800 ms", far: far(400, 0), ..USABLE },
    Link { name: "1 Mbit/s, 80 ms", far: slow(40, 1_000, 1_000), ..USABLE },
    Link { name: "1 Mbit/s, 80 ms, 5 % loss", far: lossy(slow(40, 1_000, 1_000), 50), ..USABLE },
    Link { name: "MTU 1,280", far: Far { mtu: Some(1_280), ..far(10, 0) }, ..USABLE },
    Link { name: "out of order, 40 ms ± 30", far: jittery(far(5, 0), 30), ..USABLE },
    Link { name: "every fifth doubled, 40 ms", far: doubling(far(20, 0), 200), ..USABLE },
];

const fn lossy(far: Far, of_thousand: u32) -> Far {
    Far {
        up: Badness { loss: of_thousand, ..far.up },
        down: Badness { loss: of_thousand, ..far.down },
        ..far
    }
}
