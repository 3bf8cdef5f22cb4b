//! Signals: TERM and INT end the daemon, HUP reloads its configuration.

use tokio::signal::unix::{SignalKind, signal};

/// Completes at the first TERM or INT.
pub async fn terminated() -> std::io::Result<&'static str> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    })
}

/// Calls `reload` at every HUP, for ever.
pub async fn on_hangup<F: Future>(mut reload: impl FnMut() -> F) -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    while hangups.recv().await.is_some() {
        reload().await;
    }
    Ok(())
}
