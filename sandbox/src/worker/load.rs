//! The one place with `unsafe`: native code that was compiled before becomes a component again.

use wasmtime::component::Component;

/// Loads what [`Component::serialize`] made.
///
/// Why this is sound enough to be the exception: the bytes come from the node over the socket that this process was born with. The node sends what a
/// worker compiled from this very component in this very run of the node, or what it kept on disk since under a key of its own
/// (`crate::cache`: HMAC-SHA-256 over the component's digest, the engine's settings and the code, checked just before they are sent). Wasmtime refuses
/// code of another version or other settings. And were the bytes hostile all the same, this process is locked in precisely because it runs
/// native code that nobody trusts: it holds no data, no key and no descriptor but the socket.
pub(super) fn load(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    #[allow(unsafe_code, reason = "wasmtime offers no other way to load compiled code; the argument stands above")]
    // SAFETY: `code` was made by `Component::serialize` of the same wasmtime, and was not modified since: see above.
    unsafe {
        Component::deserialize(engine, code)
    }
}
