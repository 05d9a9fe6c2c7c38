//! What stands against a start is told before anything is changed by it; and what a command writes is
//! whole or not there.

use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use carnet::config::{folder_names, read_file};

use crate::serving::{DEV, Running};
use crate::{Folders, code, err, in_repository, out};

impl Folders {
    /// A copy of a folder, as text: names and contents.
    fn everything(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let folder = self.path().join(folder);
        let mut names = folder_names(&folder).unwrap();
        names.sort();
        let read = |name: String| {
            let content = read_file(&folder.join(&name)).unwrap_or_default();
            (name, content)
        };
        names.into_iter().map(read).collect()
    }

    /// Runs where no file can be written beyond so many blocks of 512 octets: a write is cut short
    /// there, and the next fails.
    fn run_with_small_files(&self, blocks: u32, words: &str) -> Output {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_carnet")]);
        command.env("CARNET__HTTP", "127.0.0.1:0");
        command.env("CARNET__HEALTH", "127.0.0.1:0");
        command.args(words.split_whitespace());
        command.current_dir(self.path()).output().unwrap()
    }

    fn run_with_log(&self, levels: &str, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command
            .args(words.split_whitespace())
            .env("CARNET__HTTP", "127.0.0.1:0")
            .env("CARNET__HEALTH", "127.0.0.1:0")
            .env("CARNET_LOG", levels);
        command.current_dir(self.path()).output().unwrap()
    }
}

#[track_caller]
fn refused(output: &Output, parts: &[&str]) {
    let told = err(output);
    assert_eq!(code(output), Some(3), "{told}");
    for part in parts {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[test]
fn serve_before_init_makes_nothing_that_init_refuses() {
    let folders = Folders::new();
    folders.init_real();
    let serve = folders.run("serve --amqp 127.0.0.1:0 --data later --certs pki");
    refused(&serve, &["no log in the data folder", "`carnet init`"]);
    assert!(!folders.path().join("later").exists());
    let init = folders.run("init --data later");
    assert_eq!(code(&init), Some(0), "{}", err(&init));
    let again = folders.run("init --data later");
    refused(&again, &["there is a log in later already"]);
}

#[test]
fn init_goes_on_where_an_earlier_one_found_no_room_and_nowhere_else() {
    let folders = Folders::new();
    folders.init_real();
    folders.add("others/notes.txt", "of somebody");
    refused(&folders.run("init --data others"), &["others", "notes.txt"]);
    assert_eq!(folders.everything("others").len(), 1);
    // Neither journal nor key find room: nothing of them is left to be mistaken.
    let none = folders.run_with_small_files(0, "init --data later");
    refused(&none, &["later"]);
    let init = folders.run("init --data later");
    assert_eq!(code(&init), Some(0), "{}", err(&init));
}

#[test]
fn a_key_that_could_not_be_written_is_not_there() {
    let folders = Folders::new();
    folders.init_real();
    folders.remove("master.key");
    let none = folders.run_with_small_files(0, "init --data later");
    refused(&none, &["master.key"]);
    let names = folder_names(folders.path()).unwrap();
    assert!(
        !names.iter().any(|name| name.contains("master.key")),
        "{names:?}"
    );
    assert_eq!(code(&folders.run("init --data later")), Some(0));
}

#[test]
fn certificates_that_do_not_fit_leave_no_piece_and_change_none_that_are_there() {
    let folders = Folders::new();
    let none = folders.run_with_small_files(1, "certs dev pki");
    refused(&none, &["pki/"]);
    assert_eq!(folders.everything("pki"), []);
    assert_eq!(code(&folders.run("certs dev pki")), Some(0));
    let before = folders.everything("pki");
    for words in [
        "certs dev pki --force",
        "certs issue post/items --certs pki --force",
    ] {
        refused(&folders.run_with_small_files(1, words), &["pki/"]);
        assert_eq!(folders.everything("pki"), before, "{words}");
    }
}

#[test]
fn an_address_in_use_is_told_before_the_log_is_touched() {
    let folders = Folders::new();
    folders.init_real();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let before = folders.everything("real/journal");
    let serve = folders.run(&format!("serve --amqp {at} --data real --certs pki"));
    refused(&serve, &[&at.to_string(), "in use", "--amqp"]);
    assert_eq!(folders.everything("real/journal"), before);
    let fresh = folders.run(&format!("serve --dev --amqp {at} --data fresh"));
    refused(&fresh, &["in use"]);
    assert!(!folders.path().join("fresh").exists());
}

#[test]
fn a_data_folder_that_cannot_be_written_to_is_named() {
    let folders = Folders::new();
    folders.add("file", "no folder");
    for data in ["file", "file/data", "/proc/nothing/data"] {
        let serve = folders.run(&format!("serve --dev --amqp 127.0.0.1:0 --data {data}"));
        refused(&serve, &[data]);
    }
}

#[test]
fn a_data_folder_is_made_for_its_owner_alone_and_one_that_others_read_is_told() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();
    let data = folders.path().join("dev");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let broker = Running::start(folders.path(), DEV);
    let told = Running::line(&broker.stderr, "can be read by every user");
    assert!(told.contains("chmod 700 dev"), "{told}");
    broker.address();
    broker.stop();
}

#[test]
fn a_level_of_the_log_that_there_is_not_is_told_and_nothing_runs() {
    let folders = Folders::new();
    for wrong in [
        "inof",
        "carnet=loud",
        "carent=info",
        "warn,",
        "carnet=info;debug",
        "a=b=c",
    ] {
        let run = folders.run_with_log(wrong, "serve --dev --amqp 127.0.0.1:0 --data fresh");
        refused(&run, &["CARNET_LOG", wrong, "carnet::server=debug"]);
        assert!(!folders.path().join("fresh").exists());
    }
    for right in [
        "",
        "warn",
        "INFO",
        "off",
        "carnet=debug",
        "carnet=warn,carnet::server=trace",
    ] {
        let run = folders.run_with_log(right, "config show");
        assert_eq!(code(&run), Some(0), "{right}: {}", err(&run));
    }
}

#[test]
fn localhost_is_served_in_both_families_on_one_port() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), "serve --dev --amqp localhost:0 --data dev");
    let address = broker.address();
    let port = address.rsplit_once(':').unwrap().1;
    TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        assert_eq!(broker.address(), format!("[::1]:{port}"));
        TcpStream::connect(format!("[::1]:{port}")).unwrap();
    }
    let consume =
        format!("consume --as post/items --count 0 --amqp localhost:{port} --certs dev/certs");
    assert_eq!(code(&folders.run(&consume)), Some(0));
    broker.stop();
}

#[test]
fn a_banner_says_when_changed_folders_count() {
    let folders = Folders::new();
    folders.init_real();
    let real = "serve --amqp 127.0.0.1:0 --data real --certs pki";
    for (words, says) in [
        (DEV, "count from SIGHUP or the next start on"),
        (real, "do not count"),
    ] {
        let broker = Running::start(folders.path(), words);
        assert!(Running::line(&broker.stdout, "changed folders").contains(says));
        broker.stop();
    }
}

#[test]
fn who_was_turned_away_is_not_told_of_a_folder_that_no_broker_has() {
    for words in ["--data nowhere", "--data docs", "--data nowhere --json"] {
        let asked = in_repository(&format!("agency refused {words}"));
        refused(&asked, &["no data folder of a broker", "--data"]);
        assert_eq!(out(&asked), "");
    }
    let shown = in_repository("agency show post --data nowhere");
    assert_eq!(code(&shown), Some(0));
    assert!(
        err(&shown).contains("not known: nowhere is no data folder"),
        "{}",
        err(&shown)
    );
}

#[test]
fn errors_of_the_journal_name_the_file() {
    let folders = Folders::new();
    let broker = Running::start(folders.path(), DEV);
    broker.address();
    broker.stop();
    let segment = "dev/journal/0000000000000000.segment";
    folders.remove(segment);
    std::fs::create_dir(folders.path().join(segment)).unwrap();
    let serve = folders.run(DEV);
    assert!(err(&serve).contains(segment), "{}", err(&serve));
    let tail = folders.run("log tail --data dev");
    assert!(err(&tail).contains(segment), "{}", err(&tail));
}
