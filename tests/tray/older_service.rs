//! With the older service.

use std::sync::atomic::Ordering;

use stationkeeper_tests::older_stand_in::{ANSWERING, OlderService};
use stationkeeper_tests::waiting::{PATIENCE, until};

use crate::desktop::Desktop;
use crate::window::Window;

/// Statement 72.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_wake_and_local_mode_work_and_the_rest_is_absent() {
    let (desktop, service) = (Desktop::start().await, OlderService::start().await);
    let window = Window::open(&desktop, &["--gateway", &service.address]).await;
    window.until_shown(".looked.ready").await;
    assert!(window.says(".looked.ready").await.contains("ops-worker"));
    window.click("button.primary").await;
    window.until_shown("[data-row]").await;
    assert!(window.says(".limited").await.starts_with("Limited: ops-worker"));
    assert!(!window.has("[data-tab=upcoming]").await, "it has no bookings");
    window.open_card(ANSWERING).await;
    window.click(&format!("[data-command='local-mode-on:{ANSWERING}']")).await;
    until("local mode", PATIENCE, async || service.seen.local_mode.load(Ordering::SeqCst).then_some(())).await;
    desktop.bus.choose("the wake", |path| path.contains("Wake")).await;
    until("the wake", PATIENCE, async || {
        service.seen.asked.lock().unwrap().iter().any(|asked| asked.contains("/api/wol")).then_some(())
    })
    .await;
    let asked = service.seen.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|one| !one.contains("/api/v1/")), "{asked:?}");
}
