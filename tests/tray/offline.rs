//! The gateway is away, or wants the app no more; and this PC's own card.

use serde_json::Value;

use crate::desktop::Desktop;
use crate::lab::{Lab, READY, own_file, replace_own, write_own};
use crate::window::Window;

/// Statement 66.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_gateway_the_list_is_grey_with_its_age_and_the_own_card_lives() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01", "LAB-WS02"]).await);
    let folder = lab.lab_station();
    write_own(&folder, "LAB-WS01", READY);
    let window = Window::paired(&desktop, &lab, &["--lab-station", folder.to_str().unwrap()]).await;
    window.until_shown(".own").await;
    let Lab { up, .. } = lab;
    up.terminate();
    window.until_within("the banner", crate::window::LONG, "return document.querySelector('.banner') !== null").await;
    desktop.bus.until_shape("offline").await;
    window.until_shown("ul.stations.stale").await;
    let row = window.says("[data-row] .why").await;
    assert!(row.contains("as of "), "{row}");
    window.until_shown(".banner button").await;
    // The own card goes on: another heartbeat is another time.
    let before = window.says(".own .small").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    write_own(&folder, "LAB-WS01", |beat| beat.unready(["Sleep timeout is not disabled"]));
    window.until_says("Sleep timeout is not disabled").await;
    assert!(before.to_lowercase().contains("local status"), "{before}");
}

/// Statement 67.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_or_absent_file_keeps_the_last_good_card_and_makes_no_storm_of_errors() {
    let desktop = Desktop::start().await;
    let folder = desktop.folder().join("LabStation");
    std::fs::create_dir_all(folder.join("telemetry")).unwrap();
    write_own(&folder, "LAB-WS01", READY);
    let window = Window::open(&desktop, &["--lab-station", folder.to_str().unwrap()]).await;
    window.until_shown(".own").await;
    let logged = || desktop.log().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    let before = logged();
    for _ in 0..3 {
        replace_own(&folder, b"{\"host\": \"LAB-W");
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    }
    std::fs::remove_file(own_file(&folder)).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert!(window.says(".own").await.contains("LAB-WS01"), "the last good card");
    assert!(logged() <= before + 2, "{}", desktop.log());
    write_own(&folder, "LAB-WS01", |beat| beat.unready(["Sleep timeout is not disabled"]));
    window.until_says("Sleep timeout is not disabled").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_that_was_withdrawn_is_told_and_the_app_asks_to_be_connected_again() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01"]).await);
    let window = Window::paired(&desktop, &lab, &[]).await;
    lab.revoke().await;
    desktop.bus.until_shape("offline").await;
    window.until_shown(".banner").await;
    desktop.bus.until_entry("to connect", |path| path.to_lowercase().contains("connect")).await;
    let actions = lab.up.all("/api/v1/actions").await;
    assert_eq!(actions, Vec::<Value>::new());
}
