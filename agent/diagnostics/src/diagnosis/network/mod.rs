//! Rules about the network, one file for each question.

pub(super) mod links;
pub(super) mod names;
pub(super) mod quality;
pub(super) mod reach;
pub(super) mod routes;
