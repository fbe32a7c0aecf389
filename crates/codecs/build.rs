//! Compiles what lies in `c/`, and finds libvpx's archive. See `docs/internals/building.md`.

use std::env;
use std::path::PathBuf;

/// Where libvpx's archive and headers are, if not where Debian has them: the folder that has `lib` and `include`.
const VPX_PREFIX: &str = "MILLRACE_VPX_PREFIX";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=c");
    println!("cargo:rerun-if-env-changed={VPX_PREFIX}");
    let vpx = vpx();
    let mut shim = cc::Build::new();
    shim.file("c/vpx.c").warnings(true).extra_warnings(true).include(&vpx.include);
    shim.compile("millrace_video");
    println!("cargo:rustc-link-search=native={}", vpx.library.display());
    println!("cargo:rustc-link-lib=static:-bundle={}", vpx.name);
}

/// Where a C library is.
struct Library {
    include: PathBuf,
    library: PathBuf,
    name: &'static str,
}

fn vpx() -> Library {
    let name = if target("ENV") == "msvc" { "vpxmd" } else { "vpx" };
    if let Some(prefix) = env::var_os(VPX_PREFIX).map(PathBuf::from) {
        return Library { include: prefix.join("include"), library: prefix.join("lib"), name };
    }
    // Debian's folder for more than one architecture, then those of other systems and of Homebrew.
    let triple = format!("/usr/lib/{}-linux-gnu", target("ARCH"));
    let folders = [&triple, "/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"].map(PathBuf::from);
    let Some(library) = folders.into_iter().find(|folder| folder.join("libvpx.a").exists()) else {
        panic!("libvpx.a is missing: install libvpx-dev, or set {VPX_PREFIX} (docs/internals/building.md)");
    };
    // Beside `lib`; Debian's folder lies one deeper.
    let include = library.ancestors().map(|folder| folder.join("include")).find(|include| include.join("vpx").exists());
    Library { include: include.unwrap_or_else(|| "/usr/include".into()), library, name }
}

fn target(what: &str) -> String {
    env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default()
}
