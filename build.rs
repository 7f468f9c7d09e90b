//! Compiles the extension modules of the drop-in packages, `NAME/__init__.abi3.so`, for a wheel.
//!
//! One for each directory of `python/selenite/dropin`, from `src/python/dropin.c` into `OUT_DIR`,
//! from where maturin takes them (`include` in pyproject.toml). The compiler is the one that all
//! other C code of the target is compiled with: `CC_<target>` or `CC` with `CFLAGS_<target>` or
//! `CFLAGS`, zig's if maturin is told so. They link nothing but the C library, if at all, and hold
//! no path.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PYO3_BUILD_EXTENSION_MODULE");
    // Set by maturin alone. Tests and lints need no modules, and no linker of the target.
    #[cfg(feature = "python")]
    if std::env::var_os("PYO3_BUILD_EXTENSION_MODULE").is_some() {
        dropin::compile_all()?;
    }
    Ok(())
}

#[cfg(feature = "python")]
mod dropin {
    use std::error::Error;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    const SOURCE: &str = "src/python/dropin.c";
    const PACKAGES: &str = "python/selenite/dropin";

    pub(crate) fn compile_all() -> Result<(), Box<dyn Error>> {
        println!("cargo::rerun-if-changed={SOURCE}");
        // It lists the packages. Their own files are not watched: Python alone reads them.
        println!("cargo::rerun-if-changed=pyproject.toml");
        let out = PathBuf::from(env::var("OUT_DIR")?);
        fs::remove_dir_all(&out)?;
        for entry in fs::read_dir(PACKAGES)? {
            let package = entry?.path();
            let name = package.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if package.join("__init__.py").exists() {
                compile(name, &out.join(name))?;
            }
        }
        Ok(())
    }

    fn compile(name: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
        let kind: &[&str] = match env::var("CARGO_CFG_TARGET_OS")?.as_str() {
            "macos" => &["-bundle", "-Wl,-undefined,dynamic_lookup,-x"],
            "windows" => return Err("drop-in packages are not made for Windows yet".into()),
            _ => &["-shared", "-Wl,-s,-z,relro,-z,now,-z,noexecstack"],
        };
        fs::create_dir_all(folder)?;
        let mut command = cc::Build::new()
            .debug(false)
            .opt_level(2)
            .pic(true)
            .define("NAME", name)
            .flag("-fvisibility=hidden")
            .warnings(true)
            .get_compiler()
            .to_command();
        command.args(kind).arg(SOURCE).arg("-o").arg(folder.join("__init__.abi3.so"));
        let status =
            command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    }
}
