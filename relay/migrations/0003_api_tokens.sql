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
