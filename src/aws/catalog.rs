//! The table of CloudWatch namespaces: how a namespace's resources are found and how their ARNs map to dimensions.

/// A row of the table.
#[derive(Debug)]
pub struct Service {
    /// The CloudWatch namespace.
    pub namespace: &'static str,
}
