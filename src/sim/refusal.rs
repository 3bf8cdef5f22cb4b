//! How AWS says no: a code, a message, an HTTP status. The words are AWS's codes; the texts are ours.

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The code as the query protocol spells it: `Throttling`, `InvalidParameterValue`.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// The HTTP status.
    pub(crate) status: u16,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: 400 }
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The request breaks a rule of the API.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    pub(crate) fn throttled() -> Self {
        Self::new("Throttling", "Rate exceeded")
    }

    pub(crate) fn denied(account: &str, action: &str) -> Self {
        let who = format!("arn:aws:iam::{account}:user/simulated");
        Self::new("AccessDenied", format!("User: {who} is not authorized to perform: {action}")).with_status(403)
    }

    pub(crate) fn expired() -> Self {
        Self::new("ExpiredTokenException", "The security token included in the request is expired")
    }

    /// Whether the caller is to blame; decides `Sender` or `Receiver`.
    pub(crate) const fn is_senders(&self) -> bool {
        self.status < 500
    }
}
