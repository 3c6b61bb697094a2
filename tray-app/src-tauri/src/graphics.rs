//! Keeps graphics drivers out of the tray app's own process.
//!
//! On Linux, GTK and WebKit load the system's OpenGL as soon as there is a window, and never let go of it: some 30 MB, most of it a compiler of
//! shaders, for a page that is drawn as well without. What draws the page is a process of its own, which ends with the window and needs its
//! driver to start at all; so a switch in the environment, which that process inherits, would not do.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "the environment cannot be changed otherwise"))]

#[cfg(target_os = "linux")]
use std::env;

/// Where GTK 3, which has a window drawn without it as well, looks whether it shall use OpenGL.
#[cfg(target_os = "linux")]
const GTK: &str = "GDK_GL";
/// Where EGL's dispatcher (libglvnd) looks which drivers there are: once, at the first call.
#[cfg(target_os = "linux")]
const EGL: &str = "__EGL_VENDOR_LIBRARY_FILENAMES";

/// Leaves drivers out of this process, for good. What it starts later inherits [`GTK`] alone. Whoever has set either variable has chosen:
/// nothing is done.
///
/// To be called before anything else: it changes the environment, which no other thread may be reading.
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "whether the person has chosen")]
pub fn leave_out_drivers() {
    if env::var_os(GTK).is_some() || env::var_os(EGL).is_some() {
        return;
    }
    // SAFETY: no thread has been started yet.
    unsafe {
        env::set_var(GTK, "disable");
        env::set_var(EGL, "/dev/null");
    }
    // Without a driver the answer is an error.
    let _ = khronos_egl::Instance::new(khronos_egl::Static).query_string(None, khronos_egl::EXTENSIONS);
    // SAFETY: nor has the call; it has read what it wanted.
    unsafe { env::remove_var(EGL) };
}

/// Elsewhere the system draws windows.
#[cfg(not(target_os = "linux"))]
pub fn leave_out_drivers() {}
