//! `carnet witness` and `carnet log verify`: a log of another implementation is cosigned as it grows, and
//! an entry of it verified.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use carnet::config::{read_file, write_text};
use carnet::evidence::checkpoint::Checkpoint;
use carnet::evidence::key::{Kind, Signer};
use carnet::evidence::note::Note;
use carnet::evidence::tree::Head;
use carnet::message::id::Digest;
use carnet::message::time::Timestamp;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use data_encoding::BASE64;
use sha2::Sha256;
use tempfile::TempDir;

use crate::{carnet, code, err, json, out};

const ORIGIN: &str = "log.example/carnet";

/// A log of another implementation.
struct Log {
    signer: Signer,
    tree: MemoryBackedTree<Sha256, Vec<u8>>,
}

impl Log {
    fn of(entries: u8) -> Self {
        let mut tree = MemoryBackedTree::new();
        (0..entries).for_each(|n| tree.push(vec![n; 3]));
        let signer = Signer::new(ORIGIN, Kind::Note, &[1; 32]).unwrap();
        Self { signer, tree }
    }

    fn checkpoint(&self) -> Note {
        let root = self.tree.root().as_bytes().as_slice().try_into().unwrap();
        let head = Head {
            size: self.tree.len(),
            root: Digest(root),
        };
        let origin = ORIGIN.to_owned();
        let text = Checkpoint { origin, head }.to_string();
        let signatures = vec![self.signer.sign(&text, Timestamp::from_millis(0))];
        Note { text, signatures }
    }

    /// What it asks of a witness who saw `old` entries.
    fn asks(&self, old: usize) -> String {
        let more = usize::try_from(self.tree.len()).unwrap() - old;
        let proof = match old {
            0 => String::new(),
            _ => lines(self.tree.prove_consistency(more).as_bytes()),
        };
        format!("old {old}\n{proof}\n{}", self.checkpoint())
    }

    fn proof(&self, index: usize, cosignature: &str) -> String {
        let path = lines(self.tree.prove_inclusion(index).as_bytes());
        let checkpoint = self.checkpoint();
        format!("c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{checkpoint}{cosignature}")
    }
}

fn lines(hashes: &[u8]) -> String {
    let lines = hashes.chunks(32).map(|hash| BASE64.encode(hash) + "\n");
    lines.collect()
}

/// A running witness.
struct Witness {
    child: Child,
    address: String,
}

impl Witness {
    fn serve(folder: &Path) -> Self {
        let words = "witness serve --key w.key --logs logs --state seen --listen 127.0.0.1:0";
        let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
            .args(words.split(' '))
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://");
        let address = address.expect(&line).to_owned();
        Self { child, address }
    }

    /// The status of an answer and its body.
    fn answers(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        socket.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    fn adds(&self, body: &str) -> (u16, String) {
        self.answers("POST", "/add-checkpoint", body)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A folder with a witness' key and the log that it looks after; and the key by which it is verified.
fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let made = carnet(folder.path(), "witness key witness.example --out w.key");
    assert_eq!(code(&made), Some(0), "{}", err(&made));
    let logs = format!("log {}\nquorum none\n", Log::of(1).signer.verifier());
    write_text(&folder.path().join("logs"), logs.as_bytes()).unwrap();
    (folder, out(&made).trim_end().to_owned())
}

#[test]
fn a_log_is_cosigned_as_it_grows_and_in_one_history_alone_whenever_the_witness_is_killed() {
    let (folder, key) = folder();
    let witness = Witness::serve(folder.path());
    let (eight, thirteen) = (Log::of(8), Log::of(13));
    let (status, _) = witness.adds(&eight.asks(0));
    assert_eq!(status, 200);
    assert_eq!(witness.adds(&thirteen.asks(0)), (409, "8\n".to_owned()));
    drop(witness);
    let witness = Witness::serve(folder.path());
    assert_eq!(witness.adds(&thirteen.asks(5)), (409, "8\n".to_owned()));
    let (status, cosignature) = witness.adds(&thirteen.asks(8));
    assert_eq!(status, 200);
    // Asked for again, and shown to monitors.
    assert_eq!(witness.adds(&thirteen.asks(13)).0, 200);
    let origin = Digest::of(ORIGIN.as_bytes());
    let (status, seen) = witness.answers("GET", &format!("/{origin}/checkpoint"), "");
    let checkpoint = thirteen.checkpoint().to_string();
    assert_eq!(
        (status, seen.starts_with(&checkpoint)),
        (200, true),
        "{seen}"
    );
    let other = Digest::of(b"another log");
    assert_eq!(
        witness
            .answers("GET", &format!("/{other}/checkpoint"), "")
            .0,
        404
    );
    // Another history of the same log.
    let mut forked = Log::of(13);
    forked.tree.push(b"one".to_vec());
    forked.tree.push(b"two".to_vec());
    let mut grown = Log::of(13);
    grown.tree.push(b"three".to_vec());
    assert_eq!(witness.adds(&grown.asks(13)).0, 200);
    let forked = forked.asks(14);
    assert_eq!(witness.adds(&forked).0, 422);
    assert_eq!(witness.adds(&forked.replacen("old", "new", 1)).0, 400);
    assert_eq!(
        witness.adds(&forked.replace(ORIGIN, "log.example/other")).0,
        404
    );
    assert_eq!(witness.adds(&forked.replace("\n15\n", "\n16\n")).0, 403);
    assert_eq!(witness.adds(&"x".repeat(1 << 20)).0, 413);
    proved(folder.path(), &key, &thirteen, &cosignature);
}

/// What is in the cosigned log is verified without it, and nothing else is.
fn proved(folder: &Path, key: &str, log: &Log, cosignature: &str) {
    let write = |name: &str, content: &[u8]| write_text(&folder.join(name), content).unwrap();
    let verifier = log.signer.verifier();
    let policy = format!("log {verifier}\nwitness border {key}\nquorum border\n");
    write("policy", policy.as_bytes());
    write("entry", &[5; 3]);
    write("a.tlog-proof", log.proof(5, cosignature).as_bytes());
    let verify = "log verify a.tlog-proof --entry entry --policy policy";
    let told = carnet(folder, &format!("{verify} --json"));
    assert_eq!(code(&told), Some(0), "{}", err(&told));
    let told = json(&told);
    assert_eq!((&told["index"], &told["size"]), (&5.into(), &13.into()));
    assert!(told["cosigned"]["border"].is_string(), "{told}");
    let told = out(&carnet(folder, verify));
    let says = "entry 5 of 13 of the log log.example/carnet\ncosigned by border at ";
    assert!(told.starts_with(says), "{told}");
    let refused = |why: &str| {
        let refused = carnet(folder, verify);
        assert_eq!(code(&refused), Some(1), "{}", out(&refused));
        assert!(err(&refused).contains(why), "{}", err(&refused));
    };
    write("entry", &[6; 3]);
    refused("a.tlog-proof: the path does not lead from the entry at 5");
    write("entry", &[5; 3]);
    write("a.tlog-proof", log.proof(5, "").as_bytes());
    refused("the quorum border is not met; cosigned: by nobody");
    write("policy", b"quorum none\nquorum none\n");
    refused("policy: line 2: a policy has one line `quorum`");
}

#[test]
fn a_witness_that_would_forget_what_it_cosigned_does_not_start() {
    let (folder, _) = folder();
    let witness = Witness::serve(folder.path());
    assert_eq!(witness.adds(&Log::of(8).asks(0)).0, 200);
    drop(witness);
    let origin = Digest::of(ORIGIN.as_bytes());
    let file = folder.path().join(format!("seen/{origin}.checkpoint"));
    let seen = String::from_utf8(read_file(&file).unwrap()).unwrap();
    for altered in [String::new(), seen.replacen("\n8\n", "\n4\n", 1)] {
        write_text(&file, altered.as_bytes()).unwrap();
        let words = "witness serve --key w.key --logs logs --state seen --listen 127.0.0.1:0";
        let refused = carnet(folder.path(), words);
        assert_eq!(code(&refused), Some(3), "{}", out(&refused));
        assert!(err(&refused).contains("is no checkpoint of its log that this witness cosigned"));
    }
    let again = carnet(folder.path(), "witness key witness.example --out w.key");
    assert_eq!(code(&again), Some(1));
    assert!(err(&again).contains("w.key is there; a key is made once"));
}
