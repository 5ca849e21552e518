//! Values as the tables hold them: numbers as BIGINT, messages in wire form as base64.

use data_encoding::BASE64;
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

pub(super) fn to_text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    Ok(BASE64.encode(&wire::encode(value)?))
}

pub(super) fn from_text<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    let bytes = BASE64.decode(text.as_bytes()).map_err(|_| StoreError::Unreadable(what))?;
    wire::decode(&bytes).map_err(|_| StoreError::Unreadable(what))
}

pub(super) fn parse<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable(what))
}

/// Numbers above 2^63 don't come up: they are counts and times.
pub(super) fn to_big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn from_big(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub(super) fn millis(number: i64) -> UnixMillis {
    UnixMillis(from_big(number))
}

/// The JSON of a column that holds one.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Unreadable("an alarm"))
}
