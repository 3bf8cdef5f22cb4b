//! Page tokens: opaque to clients, and good only for the request that they came from.

use std::fmt;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Of the request that it belongs to.
    pub(crate) request: u64,
    /// Position of the first item.
    pub(crate) position: u64,
    /// Position inside that item.
    pub(crate) within: u64,
    /// Number of the page that it opens, from 1; a first page has no token.
    pub(crate) page: u64,
}

impl Token {
    /// The first page of a request.
    pub(crate) const fn first(request: u64) -> Self {
        Self { request, position: 0, within: 0, page: 1 }
    }

    /// Reads a token that belongs to `request`; `None`: somebody else's, or none at all.
    pub(crate) fn read(text: &str, request: u64) -> Option<Self> {
        Self::parse(text).filter(|token| token.request == request && token.page > 1)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("sim")?.split('-').map(|part| u64::from_str_radix(part, 16).ok());
        let mut next = || parts.next().flatten();
        let token = Self { request: next()?, position: next()?, within: next()?, page: next()? };
        parts.next().is_none().then_some(token)
    }

    /// The number of the page that a token opens; 1 when it is not one of ours.
    pub(crate) fn page_of(text: Option<&str>) -> u64 {
        text.and_then(Self::parse).map_or(1, |token| token.page)
    }

    /// The token of the page after this one.
    pub(crate) const fn following(self, position: u64, within: u64) -> Self {
        Self { position, within, page: self.page + 1, ..self }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sim{:016x}-{:x}-{:x}-{:x}", self.request, self.position, self.within, self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_only_to_its_own_request() {
        let token = Token::first(7).following(500, 3);
        assert_eq!(Token::read(&token.to_string(), 7), Some(token));
        assert_eq!(Token::read(&token.to_string(), 8), None);
        for foreign in ["", "sim", "sim7", "sim7-1-1", "sim7-1-1-2-9", "x", "sim7-1-1-1"] {
            assert_eq!(Token::read(foreign, 7), None, "{foreign}");
        }
    }
}
