-- Alarms: TEXT and BIGINT only, as in 0001. What is JSON is so that a later version can add to it.

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
    -- When its snooze ends; 0 for none.
    wake_at     BIGINT NOT NULL,
    -- The maintenance window it is held in; 0 for none.
    held        BIGINT NOT NULL,
    -- JSON.
    body        TEXT   NOT NULL
);
CREATE INDEX alarms_by_number ON alarms (number);
CREATE INDEX alarms_by_device ON alarms (device, is_open);
CREATE INDEX alarms_by_state ON alarms (is_open, state, severity);

-- Devices whose silence is watched.
CREATE TABLE monitors (
    device  TEXT NOT NULL PRIMARY KEY,
    profile TEXT NOT NULL,
    site    TEXT NOT NULL,
    -- The goodbye it said last, if it has not been back since.
    leaving TEXT NOT NULL
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
    -- waiting, delivered, dead
    state       TEXT   NOT NULL,
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    settled_at  BIGINT NOT NULL,
    -- What the receiver said last.
    answer      TEXT   NOT NULL,
    PRIMARY KEY (receiver, number)
);
CREATE INDEX outbox_waiting ON outbox (receiver, state, fingerprint, number);
CREATE INDEX outbox_settled ON outbox (state, settled_at);

-- Receivers that must not be sent to any more.
CREATE TABLE disabled_receivers (
    name        TEXT   NOT NULL PRIMARY KEY,
    disabled_at BIGINT NOT NULL,
    reason      TEXT   NOT NULL
);
