//! A station's card: wake and hold.

use serde_json::json;

use crate::desktop::Desktop;
use crate::lab::Lab;
use crate::window::{LONG, Window};

/// An instructor pairs by code, wakes a sleeping station from the icon's menu and watches it become ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_station_is_woken_from_the_menu_and_seen_to_become_ready() {
    let (desktop, lab) = (Desktop::start().await, Lab::demo(3));
    let free = lab.until_row("a station that is ready", "/api/v1/stations", |row| row["state"] == "ready").await;
    let host = free["host"].as_str().unwrap().to_owned();
    lab.switch_off(&host).await;
    lab.until_is(&host, "off").await;
    let window = Window::paired(&desktop, &lab, &[]).await;
    window
        .until("it sleeps", &format!("return document.querySelector('[data-host={host}]')?.dataset.state === 'off'"))
        .await;

    let wake = |path: &str| path.contains(host.as_str()) && path.ends_with("/Wake");
    desktop.bus.choose("the wake", wake).await;
    let action = lab
        .until_row("the wake at the gateway", "/api/v1/actions", |row| {
            row["host"] == host.as_str() && row["kind"] == "wake"
        })
        .await;
    assert_eq!(action["ordered_by"], "person:tray of Ana");
    window.open_card(&host).await;
    window
        .until_within(
            "steps of the wake",
            LONG,
            "return document.querySelectorAll('[data-wake] [data-step]').length > 1",
        )
        .await;
    window.until_card_is("ready").await;
    let running =
        window.run("return document.querySelectorAll('[data-step=running], [data-step=failed]').length").await;
    assert_eq!(running, 0, "{}", window.text().await);
    lab.until_is(&host, "ready").await;
}

/// Statement 69.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_over_a_reservation_names_it_and_asks_for_a_reason() {
    let (desktop, lab) = (Desktop::start().await, Lab::demo(3));
    let free = lab.until_row("a station that is ready", "/api/v1/stations", |row| row["state"] == "ready").await;
    let host = free["host"].as_str().unwrap();
    lab.reserve("R-77", host, 40).await;
    let window = Window::paired(&desktop, &lab, &[]).await;
    window.open_card(host).await;
    window.click(&format!("[data-hold] [data-command='ask-hold-60:{host}']")).await;
    let asked = window.says("[role=alertdialog]").await;
    assert!(asked.contains(host), "{asked}");
    let names_it =
        window.run("return document.querySelector('#blocks').innerText.match(/\\d\\d:\\d\\d/) !== null").await;
    assert_eq!(names_it, true, "{asked}");
    let focus = window.run("return document.activeElement.innerText").await;
    assert_eq!(focus, "Cancel", "what has the keyboard changes nothing");
    let disabled = window.run("return document.querySelector('[role=alertdialog] .harm').disabled").await;
    assert_eq!(disabled, true, "a reason is needed");
    window.type_into("input[name=reason]", "an exam").await;
    window.click("[role=alertdialog] .harm").await;
    window.until_gone("[role=alertdialog]").await;
    assert!(!window.has(".trouble").await, "{}", window.text().await);
    let held = lab
        .until_row("the hold", "/api/v1/stations", |row| row["host"] == host && row["hold"]["enabled"] == true)
        .await;
    assert_eq!((&held["hold"]["owner"], &held["hold"]["reason"]), (&json!("tray of Ana"), &json!("an exam")));
}
