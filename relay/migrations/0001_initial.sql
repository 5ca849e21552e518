-- The relay's whole state. Both SQLite and PostgreSQL run this: TEXT and BIGINT only; keys and ids as
-- lower-case hexadecimal, encoded messages as base64, times as milliseconds since 1970 (0: never).

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

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

-- The newest head of each device's own audit log, as evidence.
CREATE TABLE audit_witnesses (
    witness     TEXT   NOT NULL PRIMARY KEY,
    number      BIGINT NOT NULL,
    hash        TEXT   NOT NULL,
    head        TEXT   NOT NULL,
    received_at BIGINT NOT NULL
);
