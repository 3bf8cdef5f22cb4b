//! The crypto provider of every TLS connection that we set up ourselves; the SDK's own client brings the same one.

/// Makes it the process's default, unless there is one already. Call it before the first HTTP client is built.
pub fn install() {
    #[cfg(feature = "aws-lc")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc")))]
    let provider = rustls::crypto::ring::default_provider();
    // An error means that one is installed already, which is as good.
    let _ = provider.install_default();
}
