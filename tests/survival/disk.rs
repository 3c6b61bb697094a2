//! Whether the disk answers: a start cannot be faster than a disk that answers nobody, as it happens where several tests share one.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A sync that takes longer counts as standing still.
const SLOW: Duration = Duration::from_millis(100);

/// Syncs a small file again and again beside what is measured.
pub struct Disk {
    stop: Arc<AtomicBool>,
    stills: Arc<Mutex<Vec<(Instant, Instant)>>>,
    watching: Option<std::thread::JoinHandle<()>>,
}

impl Disk {
    /// Watches the disk of this folder.
    pub fn watch(folder: &Path) -> Self {
        let (stop, stills) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let mut file = File::create(folder.join("watched")).unwrap();
        let (stopped, seen) = (stop.clone(), stills.clone());
        let watching = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let begun = Instant::now();
                file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&[7; 512])).unwrap();
                file.sync_data().unwrap();
                if begun.elapsed() > SLOW {
                    seen.lock().unwrap().push((begun, Instant::now()));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { stop, stills, watching: Some(watching) }
    }

    /// For how long it answered nobody since `begun`.
    pub fn stood_still_since(&self, begun: Instant) -> Duration {
        let stills = self.stills.lock().unwrap();
        stills.iter().map(|(from, to)| to.saturating_duration_since(begun.max(*from))).sum()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(watching) = self.watching.take() {
            let _ = watching.join();
        }
    }
}
