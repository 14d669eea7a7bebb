//! Which of several ways a hash is computed in.

/// How SHA-256 is computed on this machine: `sha-ni` and `armv8` are instructions of the processor, `portable` is the code for all others.
///
/// As the crate `sha2` decides at run time.
pub fn sha256_implementation() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1") {
        return "sha-ni";
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("sha2") {
        return "armv8";
    }
    "portable"
}
