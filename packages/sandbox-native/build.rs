//! Tells the linker that N-API symbols come from the process that loads the addon.
fn main() {
    napi_build::setup();
}
