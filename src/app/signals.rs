//! Signals: TERM and INT end the daemon, HUP reloads its configuration.

use tokio::signal::unix::{SignalKind, signal};

/// Completes at the first TERM or INT. Where they cannot be listened to, the system's default ends the process.
pub async fn terminated() {
    let caught = signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
    let (mut term, mut int) = match caught {
        Ok(both) => both,
        Err(e) => {
            tracing::error!("failed to listen for signals: {e}");
            return std::future::pending().await;
        }
    };
    let signal = tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    };
    tracing::info!(signal, "stopping");
}

/// Calls `reload` at every HUP, for ever.
pub async fn on_hangup<F: Future>(mut reload: impl FnMut() -> F) -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    while hangups.recv().await.is_some() {
        reload().await;
    }
    Ok(())
}
