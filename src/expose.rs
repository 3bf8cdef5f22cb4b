//! The HTTP side: pages, negotiation, routes.
//!
//! A *layout* is the order of a page; it is computed once for each set of series (`layout`). A *render* walks it and writes
//! values (`page`, with `text` and `openmetrics` for the spelling, `gzip` for the packing). `cache` does so once for each state
//! of the store and variant; `negotiate` says who gets which. `http` is the only file that knows the web framework, `status`
//! writes the page for people. `guard` and `tls` decide who may ask.
//!
//! Deliberately absent: collecting. A scrape shows what is in the store and waits for nobody.

pub mod cache;
pub mod connection;
pub mod guard;
pub mod gzip;
pub mod http;
pub mod layout;
pub mod negotiate;
pub mod openmetrics;
pub mod page;
pub mod status;
pub mod text;
pub mod tls;
