//! Reading the folders of a rulebook, and writing files that others must not read.

#![expect(
    clippy::disallowed_methods,
    reason = "configuration and its folders are read here alone"
)]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Config;
use crate::message::bundle::{Bundle, Fault};

/// The largest file that a rulebook may hold: nobody edits a larger one by hand.
const FILE_BYTES: u64 = 4 << 20;

/// Reads agencies, messages and policies into a bundle. Hidden files and README files are not of
/// the rulebook. A private key in any of the folders is a fault: it would stay in the log for ever.
pub fn read_bundle(config: &Config) -> Result<Bundle, Vec<Fault>> {
    let mut bundle = Bundle::default();
    let mut faults = Vec::new();
    let folders = [
        ("agencies", &config.agencies),
        ("messages", &config.messages),
        ("policies", &config.policies),
    ];
    for (name, folder) in folders {
        read_folder(name, folder, &mut bundle, &mut faults);
    }
    if faults.is_empty() {
        Ok(bundle)
    } else {
        Err(faults)
    }
}

fn read_folder(name: &str, folder: &Path, bundle: &mut Bundle, faults: &mut Vec<Fault>) {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            let flag = name.split('/').next().unwrap_or(name);
            let cure = format!("run carnet beside its folders, or say where with --{flag}");
            let says = format!("cannot be read: {error}");
            faults.push(Fault::new(folder.display().to_string(), says, cure));
            return;
        }
    };
    for entry in entries {
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.starts_with('.') || file == "README.md" {
            continue;
        }
        let (name, path) = (format!("{name}/{file}"), entry.path());
        if path.is_dir() {
            let before = faults.len();
            read_folder(&name, &path, bundle, faults);
            let is_empty = faults.len() == before && bundle.below(&name).next().is_none();
            if let Some((what, first)) = member(&name).filter(|_| is_empty) {
                let says = format!("has no file that counts, so there is no such {what}");
                let cure = format!("put {first} there, or remove the folder");
                faults.push(Fault::new(path.display().to_string(), says, cure));
            }
            continue;
        }
        match read_rulebook_file(&path) {
            Ok(content) => bundle.insert(name, content),
            Err((says, cure)) => faults.push(Fault::new(path.display().to_string(), says, cure)),
        }
    }
}

/// What a folder directly below the rulebook's own describes, and the file that it begins with.
fn member(name: &str) -> Option<(&'static str, &'static str)> {
    match name.split_once('/')? {
        ("agencies", inside) if !inside.contains('/') => Some(("agency", "agency.toml")),
        ("messages", inside) if !inside.contains('/') => Some(("message type", "message.toml")),
        _ => None,
    }
}

fn read_rulebook_file(path: &Path) -> Result<Vec<u8>, (String, &'static str)> {
    let size =
        fs::metadata(path).map_err(|e| (format!("cannot be read: {e}"), "check the file"))?;
    if size.len() > FILE_BYTES {
        return Err((format!("is larger than {FILE_BYTES} bytes"), "split it"));
    }
    let content = fs::read(path).map_err(|e| (format!("cannot be read: {e}"), "check the file"))?;
    if content.windows(12).any(|piece| piece == b"PRIVATE KEY-") {
        let cure = "move it elsewhere and, if it was shared, replace it";
        return Err((
            "holds a private key, which would stay in the log for ever".to_owned(),
            cure,
        ));
    }
    Ok(content)
}

/// The files directly in a folder, by name.
pub fn read_folder_files(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read(entry.path())?));
        }
    }
    Ok(files)
}

/// Reads a file, with its name in the error.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Whether users beside its owner and group may read a file, as its mode says.
pub fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Removes a file, with its name in the error.
pub fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Writes a file beside the one that it shall replace, durable when this returns: to be put in its
/// place by [`put_in_place`]. A key is readable by its owner alone.
pub fn write_beside(path: &Path, content: &[u8], is_key: bool) -> io::Result<()> {
    let beside = beside(path);
    // What a crash has left: keys are written only anew.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if is_key {
        return write_secret(&beside, content);
    }
    write_text(&beside, content)?;
    fs::File::open(&beside)?.sync_all()
}

/// Puts what [`write_beside`] wrote in its place, durable with its name when this returns.
pub fn put_in_place(path: &Path) -> io::Result<()> {
    fs::rename(beside(path), path)?;
    path.parent()
        .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

/// Writes a file that anybody may read, and the folders to it.
pub fn write_text(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}

/// Writes a key: readable by its owner alone. An existing file stays as it is. Durable when this
/// returns, its name and new folders included: a log is worth nothing without its key.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let absolute = std::path::absolute(folder)?;
    // The folders that are missing, and the one that the first of them will be named in.
    let there = absolute.ancestors().take_while(|folder| !folder.exists());
    let changed = there.count().saturating_add(1);
    fs::create_dir_all(&absolute)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    let changed = absolute.ancestors().take(changed);
    changed
        .into_iter()
        .try_for_each(|folder| fs::File::open(folder)?.sync_all())
}
