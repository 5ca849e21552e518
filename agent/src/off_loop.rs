//! Work that waits for a disk or takes long, off the event loop: Stop, chat and every session wait for nothing there.

/// Does it on a thread that may wait.
pub(crate) async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => core::future::pending().await,
        },
    }
}
