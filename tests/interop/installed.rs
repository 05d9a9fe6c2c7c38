//! Where the clients' libraries are: what `tests/run.sh` installs, in the folder that it names or in
//! the last one that it made.

use std::path::{Path, PathBuf};

/// What a shell needs so that the manual's commands find the libraries.
pub(crate) fn environment() -> [(&'static str, String); 3] {
    let python = installed("python/bin");
    let path = variable("PATH").expect("PATH is set");
    [
        ("PATH", format!("{}:{path}", python.display())),
        (
            "NODE_PATH",
            installed("node/node_modules").display().to_string(),
        ),
        // A compiler that runs for two seconds is not worth compiling well.
        (
            "JAVA_TOOL_OPTIONS",
            "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC".to_owned(),
        ),
    ]
}

pub(crate) fn installed(what: &str) -> PathBuf {
    let tools = variable("CARNET_INTEROP_TOOLS").map(PathBuf::from);
    let cache = || {
        let own = variable("XDG_CACHE_HOME").map(PathBuf::from);
        own.or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))
    };
    let tools = tools.or_else(|| Some(cache()?.join("carnet/interop/current")));
    let path = tools.expect("HOME is set").join(what);
    assert!(
        path.exists(),
        "{} is missing: run `tests/run.sh interop` once",
        path.display()
    );
    path
}

#[expect(
    clippy::disallowed_methods,
    reason = "what run.sh installed is told by the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
