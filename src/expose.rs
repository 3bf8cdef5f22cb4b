//! The HTTP side: pages, negotiation, routes.
