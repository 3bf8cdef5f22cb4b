//! Pages as scrapers see them: byte for byte where the rules are known, valid whatever happens, and over real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "exposition/cache.rs"]
mod cache;
#[path = "exposition/fixture.rs"]
mod fixture;
#[path = "exposition/golden.rs"]
mod golden;
#[path = "exposition/http.rs"]
mod http;
#[path = "exposition/parser.rs"]
mod parser;
#[path = "exposition/property.rs"]
mod property;
