//! Compiles what lies in `c/`, and finds libvpx and the C++ runtime, both as archives. See `docs/internals/building.md`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where libvpx's archive and headers are, if not where Debian has them: the folder that has `lib` and `include`.
const VPX_PREFIX: &str = "MILLRACE_VPX_PREFIX";

/// Set where zig links against a glibc older than the machine's, with a C++ library of its own.
const OLD_GLIBC: &str = "MILLRACE_OLD_GLIBC";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=c");
    println!("cargo:rerun-if-env-changed={VPX_PREFIX}");
    println!("cargo:rerun-if-env-changed={OLD_GLIBC}");
    let vpx = vpx();
    let mut shim = cc::Build::new();
    shim.file("c/vpx.c").file("c/av1.c").warnings(true).extra_warnings(true);
    shim.include(headers_of(&vpx));
    // libaom-sys says where its headers are.
    if let Some(include) = env::var_os("DEP_AOM_INCLUDE") {
        shim.include(include);
    }
    shim.compile("millrace_video");
    println!("cargo:rustc-link-search=native={}", vpx.library.display());
    println!("cargo:rustc-link-lib=static:-bundle={}", vpx.name);
    cxx_runtime();
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

/// A folder with libvpx's headers and no others: where they lie are the system's too, of another glibc than zig compiles for.
fn headers_of(vpx: &Library) -> PathBuf {
    let only = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("include");
    let copied = fs::create_dir_all(only.join("vpx")).and_then(|()| {
        for header in fs::read_dir(vpx.include.join("vpx"))? {
            let header = header?;
            fs::copy(header.path(), only.join("vpx").join(header.file_name()))?;
        }
        Ok(())
    });
    if let Err(error) = copied {
        panic!("the headers of libvpx cannot be copied from {}: {error}", vpx.include.display());
    }
    only
}

/// Links the C++ library that OpenH264 needs. `CXXSTDLIB` in `.cargo/config.toml` keeps OpenH264's crate from it, which
/// would link the shared one.
fn cxx_runtime() {
    if env::var_os(OLD_GLIBC).is_some() {
        cc::Build::new().file("c/old_glibc.c").compile("millrace_old_glibc");
        println!("cargo:rustc-link-lib=c++");
        return;
    }
    match (target("OS").as_str(), target("ENV").as_str()) {
        // Part of the system.
        ("macos", _) => println!("cargo:rustc-link-lib=c++"),
        // Microsoft's compiler names its library in the objects.
        (_, "msvc") => {}
        _ => gnu_cxx_runtime(),
    }
}

fn gnu_cxx_runtime() {
    let compiler = cc::Build::new().cpp(true).get_compiler();
    let found = Command::new(compiler.path()).arg("-print-file-name=libstdc++.a").output();
    let archive = found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let folder = Path::new(&archive).parent().filter(|_| Path::new(&archive).is_absolute());
    let Some(folder) = folder else {
        panic!("libstdc++.a is missing: install g++ (docs/internals/building.md)");
    };
    println!("cargo:rustc-link-search=native={}", folder.display());
    // A linker that goes through archives once meets this one before OpenH264's. What it needs is asked for here.
    let mut anchor = cc::Build::new();
    anchor.file("c/cxx_runtime.c").link_lib_modifier("+whole-archive").compile("millrace_cxx");
    println!("cargo:rustc-link-lib=static:-bundle=stdc++");
}

fn target(what: &str) -> String {
    env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default()
}
