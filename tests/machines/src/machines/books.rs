//! The relay's books: who holds which routing digits, whose sessions run, who stands at the door.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use nearhand_proto::id::{DeviceId, SessionId, TechnicianId};
use nearhand_proto::support_code::RoutingDigits;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::caller::PeerId;
use nearhand_relay_core::handshakes::HandshakeQueue;
use nearhand_relay_core::network::SourceNetwork;
use nearhand_relay_core::registry::routing::RoutingTable;
use nearhand_relay_core::registry::sessions::{PER_DEVICE, RelaySession, SessionTable};

use super::{InputDraw, ScrambledRng, beginning};

/// Room at the door, and for sessions.
const ROOM: usize = 16;
const SESSIONS: usize = 20;

fn device(draw: &mut InputDraw<'_>) -> PeerId {
    PeerId::Device(DeviceId::from_bytes([draw.byte() % 4; 16]))
}

fn network(number: u8) -> SourceNetwork {
    IpAddr::V4(Ipv4Addr::new(192, 0, number, 1)).into()
}

fn technician(draw: &mut InputDraw<'_>) -> TechnicianId {
    TechnicianId::from_bytes([draw.byte() % 3; 16])
}

pub(super) fn run(input: &[u8]) {
    let (mut routings, mut sessions) = (RoutingTable::default(), SessionTable::new(SESSIONS));
    let mut doors: HandshakeQueue<u64> = HandshakeQueue::new(ROOM);
    let (mut now, mut rng) = (beginning(), ScrambledRng(3));
    let mut draw = InputDraw::new(input);
    let mut inside: BTreeSet<u64> = BTreeSet::new();
    let mut running: BTreeMap<SessionId, (TechnicianId, PeerId)> = BTreeMap::new();
    while let Some(operation) = draw.operation(12) {
        match operation {
            0 => now += draw.while_passes(),
            1 => {
                let holder = device(&mut draw);
                let wanted = RoutingDigits::new(u16::from(draw.byte() % 6));
                let routing = routings
                    .allot(holder, network(1), wanted, now, &mut rng)
                    .expect("digits for four devices");
                assert_eq!(routings.holder(routing, now), Some(holder), "allotted to one, held by another");
            }
            2 => {
                let holder = device(&mut draw);
                routings.free(&holder);
                let held =
                    (0..6).filter_map(RoutingDigits::new).any(|r| routings.holder(r, now) == Some(holder));
                assert!(!held, "given up and still held");
            }
            3 => routings.away(&device(&mut draw), now),
            4 => routings.back(&device(&mut draw)),
            5 => routings.sweep(now),
            6 => {
                let id = SessionId::from_bytes([draw.byte() % 30; 16]);
                let (technician, device) = (technician(&mut draw), device(&mut draw));
                let fits = sessions.room(&id, &device).is_ok();
                let with_device = running.values().filter(|(_, of)| *of == device).count();
                let room = running.len() < SESSIONS && with_device < PER_DEVICE && !running.contains_key(&id);
                assert_eq!(fits, room);
                if fits {
                    let session = RelaySession {
                        id,
                        technician,
                        technician_name: String::new(),
                        device,
                        device_name: String::new(),
                        attended: draw.coin(),
                        opened: UnixMillis(1),
                        bytes_before: 0,
                    };
                    sessions.insert(session, now);
                    running.insert(id, (technician, device));
                }
            }
            7 => {
                let id = SessionId::from_bytes([draw.byte() % 30; 16]);
                let who = match draw.coin() {
                    true => PeerId::Person(technician(&mut draw)),
                    false => device(&mut draw),
                };
                let is_end = running
                    .get(&id)
                    .is_some_and(|(technician, device)| who == PeerId::Person(*technician) || who == *device);
                assert_eq!(sessions.close(&id, &who).is_ok(), is_end, "{who:?} closes {id}");
                if is_end {
                    running.remove(&id);
                }
            }
            8 => {
                let (id, who) = (SessionId::from_bytes([draw.byte() % 30; 16]), technician(&mut draw));
                if sessions.may_reopen(&id, &who, now).is_ok() {
                    assert!(running.get(&id).is_some_and(|(of, _)| *of == who), "anybody's session");
                    sessions.reopened(&id, 7, now);
                }
            }
            9 => {
                let lives = draw.coin();
                for gone in sessions.sweep(now, |_| lives) {
                    // Asking what is lost ends it.
                    assert!(running.remove(&gone).is_some() && sessions.remove(&gone).is_some());
                }
            }
            10 => {
                let network = network(draw.byte() % 5);
                if let Some(evicted) = doors.make_room(network) {
                    assert!(inside.remove(&evicted), "somebody was shown out who wasn't there");
                }
                let ticket = doors.next_ticket();
                doors.enter(ticket, network, ticket);
                assert!(inside.insert(ticket), "one ticket for two");
                assert!(doors.len() <= ROOM, "more than there is room for");
                assert!(doors.len() < ROOM / 4 || doors.must_prove());
            }
            _ => {
                let ticket = u64::from(draw.byte());
                assert_eq!(doors.leave(ticket).is_some(), inside.remove(&ticket));
            }
        }
        assert_eq!((sessions.len(), doors.len()), (running.len(), inside.len()));
        assert!(routings.len() <= 4);
    }
}
