//! The tray app: a thin shell that draws what `tray-app/view` answers and does what is asked for by `tray-app/client`.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

mod act;
mod arguments;
mod clock;
mod companion;
mod files;
mod graphics;
mod keeper;
mod link;
mod log;
mod page;
mod pictures;
mod secret;
mod tell;
mod tray;
mod window;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tauri::{Manager, RunEvent};
use tauri_plugin_autostart::MacosLauncher;

use arguments::Arguments;
use companion::Companion;
use files::Folder;

fn main() -> ExitCode {
    graphics::leave_out_drivers();
    let arguments = Arguments::parse();
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, words, _folder| {
            // Whoever starts it again wants to see it; a link comes the same way.
            if let Ok(second) = Arguments::try_parse_from(words) {
                link::started_again(app.state::<Arc<Companion>>().inner(), second);
            }
        }))
        .plugin(tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec!["--minimized"])))
        .invoke_handler(tauri::generate_handler![
            page::view,
            page::texts,
            page::go,
            page::act,
            page::hold_over,
            page::choose,
            page::look_at,
            page::connect,
            page::disconnect,
            page::hide,
        ])
        .setup(move |app| {
            let kept = Folder::open(app.path().app_config_dir()?)?;
            log::to(&app.path().app_log_dir()?)?;
            tracing::info!(version = env!("CARGO_PKG_VERSION"), "the tray app starts");
            let companion = Companion::new(app.handle().clone(), kept, &arguments);
            app.manage(Arc::clone(&companion));
            tray::build(&companion)?;
            if !arguments.minimized {
                window::show(&companion)?;
            }
            tauri::async_runtime::spawn(keeper::run(companion, arguments));
            Ok(())
        })
        .build(tauri::generate_context!());
    match app {
        Ok(app) => {
            app.run(on_event);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("stationkeeper-tray: {error}");
            ExitCode::FAILURE
        }
    }
}

fn on_event(app: &tauri::AppHandle, event: RunEvent) {
    match event {
        // The window is gone, the icon stays.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        #[cfg(target_os = "macos")]
        RunEvent::Opened { urls } => {
            for url in urls {
                link::opened(app.state::<Arc<Companion>>().inner(), url.as_str());
            }
        }
        RunEvent::Exit => {
            tracing::info!("the tray app ends");
            app.state::<Arc<Companion>>().stop();
        }
        _ => {}
    }
}
