// SPDX-License-Identifier: LGPL-2.1-or-later
//! A plugin of vSMTP with nothing behind it: the entry point that the server looks up.

/// What vSMTP calls after it has loaded the plugin.
#[no_mangle]
pub extern "C" fn module_entrypoint() -> usize {
    println!("hello: the entry point was called");
    0
}
