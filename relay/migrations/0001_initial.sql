-- The relay's whole state. Both SQLite and PostgreSQL run this: TEXT and BIGINT only; keys and ids as
-- lower-case hexadecimal, encoded messages as base64, times as milliseconds since 1970 (0: never).
-- Columns that hold JSON can take new fields without a migration.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
-- Who adds to the alarm log locks this row first.
INSERT INTO meta (name, value) VALUES ('alarms', '');

-- At most one row (one = 1): the organisation that claimed this relay.
CREATE TABLE organisation (
    one        BIGINT NOT NULL PRIMARY KEY,
    public_key TEXT   NOT NULL,
    claimed_at BIGINT NOT NULL
);

-- Each invite can be used once; who used it, and with which key they speak today.
CREATE TABLE used_invites (
    invite      TEXT   NOT NULL PRIMARY KEY,
    first_key   TEXT   NOT NULL,
    current_key TEXT   NOT NULL,
    role        TEXT   NOT NULL,
    used_at     BIGINT NOT NULL
);

CREATE TABLE devices (
    id          TEXT   NOT NULL PRIMARY KEY,
    credential  TEXT   NOT NULL,
    hostname    TEXT   NOT NULL,
    os          TEXT   NOT NULL,
    version     TEXT   NOT NULL,
    enrolled_at BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL
);

CREATE TABLE people (
    id         TEXT   NOT NULL PRIMARY KEY,
    credential TEXT   NOT NULL,
    version    TEXT   NOT NULL,
    joined_at  BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL
);

-- Every list ever received: their union is what is withdrawn.
CREATE TABLE revocations (
    number      BIGINT NOT NULL PRIMARY KEY,
    list        TEXT   NOT NULL,
    received_at BIGINT NOT NULL
);

CREATE TABLE retirements (
    retired_key TEXT   NOT NULL PRIMARY KEY,
    retirement  TEXT   NOT NULL,
    received_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id              TEXT   NOT NULL PRIMARY KEY,
    technician      TEXT   NOT NULL,
    technician_name TEXT   NOT NULL,
    -- 'device:' or 'guest:' and its id or key.
    peer            TEXT   NOT NULL,
    device_name     TEXT   NOT NULL,
    attended        BIGINT NOT NULL,
    opened_at       BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL,
    outcome         TEXT   NOT NULL,
    bytes           BIGINT NOT NULL
);
CREATE INDEX sessions_by_technician ON sessions (technician, opened_at);
CREATE INDEX sessions_by_time ON sessions (opened_at);
CREATE INDEX sessions_by_end ON sessions (ended_at);

-- The secrets by which the ends of running sessions bind their paths: side 0 the technician, 1 the device.
CREATE TABLE bindings (
    session    TEXT   NOT NULL,
    side       BIGINT NOT NULL,
    bind_grant TEXT   NOT NULL,
    PRIMARY KEY (session, side)
);

CREATE TABLE audit (
    number BIGINT NOT NULL PRIMARY KEY,
    entry  TEXT   NOT NULL
);

-- Heads of each device's own audit log, as evidence: the newest thousand.
CREATE TABLE audit_witnesses (
    witness     TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    hash        TEXT   NOT NULL,
    head        TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (witness, number)
);

-- Names of devices without what a reader overlooks, to find guests who take one.
CREATE TABLE device_names (
    device TEXT NOT NULL,
    -- label, hostname
    kind   TEXT NOT NULL,
    folded TEXT NOT NULL,
    PRIMARY KEY (device, kind)
);
CREATE INDEX device_names_folded ON device_names (folded);


-- Who a stream belongs to, and up to which number it is stored.
CREATE TABLE alarm_streams (
    stream   TEXT   NOT NULL PRIMARY KEY,
    device   TEXT   NOT NULL,
    through  BIGINT NOT NULL,
    first_at BIGINT NOT NULL
);

-- Everything that happened, once, in the order in which the relay took it.
CREATE TABLE alarm_log (
    number      BIGINT NOT NULL PRIMARY KEY,
    stream      TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    device      TEXT   NOT NULL,
    -- Empty for a gap.
    fingerprint TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    -- JSON.
    entry       TEXT   NOT NULL
);
CREATE UNIQUE INDEX alarm_log_once ON alarm_log (stream, seq);
CREATE INDEX alarm_log_by_alarm ON alarm_log (fingerprint, number);

-- The sum of the log for each alarm: can be made from it again.
CREATE TABLE alarms (
    fingerprint TEXT   NOT NULL PRIMARY KEY,
    device      TEXT   NOT NULL,
    rule        TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    -- 1 while it needs somebody.
    is_open     BIGINT NOT NULL,
    -- 0 info to 3 critical.
    severity    BIGINT NOT NULL,
    -- As severity, what receivers have heard; -1 for nothing.
    told        BIGINT NOT NULL,
    -- The newest log entry in it.
    number      BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    -- When its snooze ends or it counts as steady; 0 for neither.
    wake_at     BIGINT NOT NULL,
    -- The maintenance window it is held in; 0 for none.
    held        BIGINT NOT NULL,
    -- JSON.
    body        TEXT   NOT NULL
);
CREATE INDEX alarms_by_number ON alarms (number);
CREATE INDEX alarms_by_device ON alarms (device, is_open);
CREATE INDEX alarms_by_state ON alarms (is_open, state, severity);
CREATE INDEX alarms_open ON alarms (is_open, number);
CREATE INDEX alarms_told ON alarms (told, number);
CREATE INDEX alarms_to_wake ON alarms (wake_at);
CREATE INDEX alarms_held ON alarms (held);

-- Devices whose silence is watched.
CREATE TABLE monitors (
    device  TEXT NOT NULL PRIMARY KEY,
    profile TEXT NOT NULL,
    site    TEXT NOT NULL,
    -- The goodbye it said last, if it has not been back since.
    leaving TEXT NOT NULL,
    -- When a desktop is usually on; '' while nothing is known.
    hours   TEXT NOT NULL DEFAULT ''
);

CREATE TABLE maintenance (
    number    BIGINT NOT NULL PRIMARY KEY,
    ends_at   BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    -- 1 once the alarms held in it are released.
    is_over   BIGINT NOT NULL,
    -- JSON.
    body      TEXT   NOT NULL
);

-- What is told, and to whom: written together with what it tells.
CREATE TABLE notices (
    number BIGINT NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    kind   TEXT   NOT NULL,
    -- JSON.
    body   TEXT   NOT NULL
);
CREATE INDEX notices_by_time ON notices (at);

CREATE TABLE outbox (
    receiver    TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    fingerprint TEXT   NOT NULL,
    -- Both for the order of delivery.
    device      TEXT   NOT NULL,
    severity    BIGINT NOT NULL,
    -- waiting, delivered, dead
    state       TEXT   NOT NULL,
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    settled_at  BIGINT NOT NULL,
    -- What the receiver said last.
    answer      TEXT   NOT NULL,
    PRIMARY KEY (receiver, number)
);
CREATE INDEX outbox_of_alarm ON outbox (receiver, fingerprint, number);
CREATE INDEX outbox_waiting ON outbox (receiver, due_at) WHERE state = 'waiting';
CREATE INDEX outbox_settled ON outbox (state, settled_at);
CREATE INDEX outbox_by_number ON outbox (number);

-- Receivers that must not be sent to any more.
CREATE TABLE disabled_receivers (
    name        TEXT   NOT NULL PRIMARY KEY,
    disabled_at BIGINT NOT NULL,
    reason      TEXT   NOT NULL
);

-- Tokens of programs that use the HTTP interface. The token itself is nowhere.
CREATE TABLE api_tokens (
    name       TEXT   NOT NULL PRIMARY KEY,
    -- SHA-256 of the token, hex.
    hash       TEXT   NOT NULL,
    -- read, act
    may        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX api_tokens_by_hash ON api_tokens (hash);

-- People who asked for help. One that is open per device or guest.
CREATE TABLE help (
    number     BIGINT NOT NULL PRIMARY KEY,
    -- 'device:' or 'guest:' and its id or key.
    peer       TEXT   NOT NULL,
    -- A guest's networks (IPv4 address or IPv6 /64, and the /24 or /48 around it); '' for an enrolled device.
    network     TEXT  NOT NULL,
    surrounding TEXT  NOT NULL,
    -- Chosen by the device: the same wish sent again is the same.
    wish       TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    what       TEXT   NOT NULL,
    -- 0 can wait, 1 hampered, 2 work has stopped
    urgency    BIGINT NOT NULL,
    reach      TEXT   NOT NULL,
    asked_at   BIGINT NOT NULL,
    -- 0 and '' while nobody has it.
    taken_at   BIGINT NOT NULL,
    taken_by   TEXT   NOT NULL,
    taken_name TEXT   NOT NULL,
    -- 0 while it is open.
    closed_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX help_by_peer ON help (peer, wish);
CREATE INDEX help_open ON help (closed_at, urgency, number);

-- What people thought of their sessions; whose session it was is in 'sessions'.
CREATE TABLE opinions (
    session TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    -- 0: not rated.
    stars   BIGINT NOT NULL,
    comment TEXT   NOT NULL,
    report  TEXT   NOT NULL
);
CREATE INDEX opinions_by_time ON opinions (at);
