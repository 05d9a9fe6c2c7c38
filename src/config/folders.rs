//! Reading the folders of a rulebook, and writing files that others must not read.

#![expect(
    clippy::disallowed_methods,
    reason = "configuration and its folders are read here alone"
)]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::settings::Config;
use crate::message::bundle::{Bundle, Fault};

/// The largest file of a rulebook, in octets: far above any that is edited by hand.
const FILE_BYTES: u64 = 4 << 20;

/// The folder in which files are written that shall come into the one around it together.
const NEW: &str = ".unfinished";
/// The name of that folder once all files in it are written: they are moved out of it.
const WHOLE: &str = ".whole";

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

/// The names in a folder; none where there is no such folder.
pub fn folder_names(folder: &Path) -> io::Result<Vec<String>> {
    let placed = |error: io::Error| named(folder, &error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(placed(error)),
    };
    let names = entries.map(|entry| {
        let name = entry.map_err(placed)?.file_name();
        Ok(name.to_string_lossy().into_owned())
    });
    names.collect()
}

/// Reads a file, with its name in the error.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| named(path, &error))
}

/// Whether users beside its owner and group may read a file, or look into a folder, as its mode says.
pub fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o005 != 0)
}

/// Whether two files, or the folders that they will be in, are on one file system.
pub fn are_on_one_disk(one: &Path, other: &Path) -> bool {
    let disk = |path: &Path| {
        let path = std::path::absolute(path).ok()?;
        let there = path
            .ancestors()
            .find_map(|above| fs::metadata(above).ok())?;
        Some(there.dev())
    };
    disk(one).is_some_and(|one| disk(other) == Some(one))
}

/// Writes files into a folder, in place of those of their names: all of them or none, once
/// [`finish_writing`] was called, which must be before the folder is read: also where the process ends
/// in the midst.
/// Names that end in `.key` are readable by their owner alone.
pub fn write_together<'f>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
) -> io::Result<()> {
    finish_writing(folder)?;
    let new = folder.join(NEW);
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(&new, &error)),
        _ => fs::create_dir_all(&new).map_err(|error| named(folder, &error))?,
    }
    let mut files = files.into_iter();
    let written = files.try_for_each(|(name, content)| {
        let path = new.join(name);
        let is_key = path.extension().is_some_and(|extension| extension == "key");
        let written = write_new(&path, content, is_key);
        written.map_err(|error| named(&folder.join(name), &error))
    });
    if let Err(error) = written {
        // Its space is what is missing; where even this fails, the next write removes it.
        drop(fs::remove_dir_all(&new));
        return Err(error);
    }
    let moved = sync_folder(&new.join(WHOLE)).and_then(|()| fs::rename(&new, folder.join(WHOLE)));
    moved.map_err(|error| named(folder, &error))?;
    finish_writing(folder)
}

/// Puts in their places the files that [`write_together`] has written whole.
pub fn finish_writing(folder: &Path) -> io::Result<()> {
    let whole = folder.join(WHOLE);
    if !whole.exists() {
        return Ok(());
    }
    sync_folder(&whole)?;
    for entry in fs::read_dir(&whole)? {
        let entry = entry?;
        fs::rename(entry.path(), folder.join(entry.file_name()))?;
    }
    fs::remove_dir(&whole)
}

/// Writes a file that is not there, durable when this returns. A key is readable by its owner alone.
fn write_new(path: &Path, content: &[u8], is_key: bool) -> io::Result<()> {
    let mode = if is_key { 0o400 } else { 0o644 };
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Writes a file beside its place. Where it cannot be written whole nothing is left of it.
fn write_beside(path: &Path, content: &[u8], is_key: bool) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = beside(path);
    // What a crash has left: keys are written only anew.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(&beside, content, is_key);
    if written.is_err() {
        // Its space is what is missing; where even this fails, the next write removes it.
        drop(fs::remove_file(&beside));
    }
    written
}

/// The error with the path that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes the name of a file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

/// Writes a file that all users may read, and the folders to it: whole in its place or not at all.
pub fn write_text(path: &Path, content: &[u8]) -> io::Result<()> {
    write_beside(path, content, false)?;
    fs::rename(beside(path), path)?;
    sync_folder(path)
}

/// Writes a key: readable by its owner alone, whole or not at all. An existing file stays as it is.
/// Durable when this returns, its name and new folders included: a log is worth nothing without its
/// key.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let absolute = std::path::absolute(path)?;
    let folders = absolute.ancestors().skip(1);
    // The folders that are missing, and the one that the first of them will be named in.
    let missing = folders.clone().take_while(|folder| !folder.exists());
    let changed = missing.count().saturating_add(1);
    write_beside(path, content, true)?;
    // A name of its own: a link takes the place of nothing.
    let linked = fs::hard_link(beside(path), path);
    fs::remove_file(beside(path))?;
    linked?;
    let mut changed = folders.take(changed);
    changed.try_for_each(|folder| fs::File::open(folder)?.sync_all())
}

/// Makes a folder, and those to it, that its owner alone may enter; one that is there stays as it is.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| named(path, &error))
}

/// Whether this process may make files in a folder, as its mode and its file system say.
pub fn is_writable(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}
