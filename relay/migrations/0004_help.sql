-- People who asked for help. One that is open per device or guest.
CREATE TABLE help (
    number     BIGINT NOT NULL PRIMARY KEY,
    -- 'device:' or 'guest:' and its id or key.
    peer       TEXT   NOT NULL,
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
