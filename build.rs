//! Makes `abi/` out of `include/rsyslog_abi.h`, and pins the module in memory once it is loaded.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=include/rsyslog_abi.h");
    println!("cargo:rerun-if-changed=build.rs");

    // A thread-local destructor or a thread of libzmq may outlive dlclose: the library stays mapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");

    let bindings = bindgen::Builder::default()
        .header("include/rsyslog_abi.h")
        // The layouts of the target, by the compiler's own headers: no C library of the target's is needed.
        .clang_arg("-ffreestanding")
        .allowlist_file("include/rsyslog_abi.h")
        .use_core()
        .layout_tests(true)
        .derive_debug(false)
        .derive_copy(true)
        .prepend_enum_name(false)
        .generate_comments(false)
        .formatter(bindgen::Formatter::None)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .generate();
    let written = bindings.map_err(|error| error.to_string()).and_then(|bindings| {
        let to = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("rsyslog_abi.rs");
        bindings.write_to_file(to).map_err(|error| error.to_string())
    });
    if let Err(error) = written {
        println!("cargo:warning=bindgen could not translate include/rsyslog_abi.h: {error}");
        std::process::exit(1);
    }
}
