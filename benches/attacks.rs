//! What the exchanges of one agency wait for while another agency does its worst: confirms and
//! deliveries of the one, before and during each attack of the other.
//!
//! ```sh
//! cargo bench --bench attacks                              # each attack, one after another
//! cargo bench --bench attacks -- strangers purges          # these alone
//! cargo bench --bench attacks -- --seconds 20              # each side so long
//! cargo bench --bench attacks -- --together --seconds 3600 --data /mnt/small
//! ```
//! The broker is the real one, over mutual TLS on loopback. One agency publishes at a fixed rate and
//! waits for each confirm; its times count from when a publish was due, so that none is hidden behind a
//! slow one before it. The attacker has a certificate and keeps the limits that are set for it, but
//! for the strangers, who have none. Both run on this machine beside the broker, the attacker's threads at
//! the lowest priority: what its own side takes of the processor is no part of what the other one waits
//! for, or little.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "its clients are those of the tests, and assert as these do"
)]

#[path = "attacks/attack.rs"]
mod attack;
#[path = "attacks/broker.rs"]
mod broker;
#[path = "../tests/wire/client.rs"]
#[expect(dead_code, reason = "it can do more than an attacker needs")]
mod client;
#[path = "../tests/support/files.rs"]
mod files;
#[path = "../tests/support/lines.rs"]
mod lines;
#[path = "../tests/wire/message.rs"]
mod message;
#[path = "../tests/wire/octets.rs"]
#[expect(dead_code, reason = "it can do more than an attacker needs")]
mod octets;
#[path = "attacks/other.rs"]
mod other;
#[path = "../tests/support/served.rs"]
#[expect(dead_code, reason = "a test waits for its end")]
mod served;
#[path = "../tests/wire/trust.rs"]
mod trust;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use attack::{ATTACKS, Attack, Attacking};
use broker::Running;
use other::{Other, Waited};

/// What the attacker may do in a long run on a small disk.
const SMALL: &str = "messages_per_second = 4\nprivate_octets_per_second = 65536";
/// In a long run a line is written so many times.
const LINES: u32 = 12;
/// What is exchanged after a long run.
const EXCHANGES_AFTER: usize = 1_000;

struct Asked {
    seconds: u64,
    is_together: bool,
    data: PathBuf,
    attacks: Vec<&'static Attack>,
}

#[expect(clippy::print_stdout, reason = "what a benchmark is for")]
fn line(text: &str) {
    println!("{text}");
}

fn asked() -> Asked {
    let mut asked = Asked {
        seconds: 8,
        is_together: false,
        data: std::env::temp_dir(),
        attacks: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("an option has a value");
        match argument.as_str() {
            "--seconds" => asked.seconds = value().parse().expect("seconds"),
            "--data" => asked.data = value().into(),
            "--together" => asked.is_together = true,
            // Cargo says it to every bench.
            "--bench" => {}
            name => {
                let found = ATTACKS.iter().filter(|attack| attack.name.contains(name));
                let before = asked.attacks.len();
                asked.attacks.extend(found);
                assert!(asked.attacks.len() > before, "no attack is called {name}");
            }
        }
    }
    if asked.attacks.is_empty() {
        asked.attacks.extend(ATTACKS);
    }
    asked
}

fn main() {
    // With the broker each thread of the attacker ends by an assertion.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_attacker = std::thread::current().name() == Some(attack::THREAD);
        if !(is_attacker && broker::IS_KILLED.load(Ordering::Relaxed)) {
            told(panic);
        }
    }));
    let asked = asked();
    if asked.is_together {
        together(&asked);
    } else {
        one_by_one(&asked);
    }
}

fn one_by_one(asked: &Asked) {
    let columns = [
        "p50",
        "p99",
        "longest",
        "delivered p99",
        "longest",
        "memory",
        "log",
    ];
    line(
        "times in ms, before / during; memory of the broker in MiB; growth of the log in MiB a second",
    );
    line(&row("attack", &columns.map(str::to_owned)));
    for attack in &asked.attacks {
        let broker = Running::start(&asked.data, None);
        let mut other = Other::start(&broker.broker);
        let length = Duration::from_secs(asked.seconds);
        other.exchange(length / 4);
        let before = (other.exchange(length), broker.memory_mib());
        let log = broker.log_mib();
        let attacking = attack.start(&broker.broker);
        let during = (other.exchange(length), broker.memory_mib());
        assert_eq!(attacking.ends(), 0, "{} has ended", attack.name);
        let written = (broker.log_mib() - log) / length.as_secs_f64();
        line(&row(
            attack.name,
            &cells(&before.0, &during.0, [before.1, during.1], written),
        ));
    }
}

fn cells(before: &Waited, during: &Waited, memory: [f64; 2], written: f64) -> [String; 7] {
    let both = |of: fn(&Waited) -> f64| format!("{:.1} / {:.1}", of(before), of(during));
    [
        both(|it| it.confirmed(0.5)),
        both(|it| it.confirmed(0.99)),
        both(|it| it.confirmed(1.0)),
        both(|it| it.delivered(0.99)),
        both(|it| it.delivered(1.0)),
        format!("{:.0} / {:.0}", memory[0], memory[1]),
        format!("{written:.2}"),
    ]
}

fn row(name: &str, cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| format!(" {cell:>14}"));
    format!("{name:24}{}", cells.collect::<String>())
}

/// All at once, on the disk that was asked for: whether memory stays, what the other agency's exchanges
/// wait for, and how long the next start takes.
fn together(asked: &Asked) {
    let broker = Running::start(&asked.data, Some(SMALL));
    let mut other = Other::start(&broker.broker);
    let attacks = asked.attacks.iter();
    let attacking: Vec<Attacking> = attacks.map(|it| it.start(&broker.broker)).collect();
    line("all attacks together, from one agency and strangers; its limits:");
    line(SMALL);
    let part = Duration::from_secs(asked.seconds) / LINES;
    let columns = [
        "p50 ms",
        "p99 ms",
        "longest ms",
        "exchanges",
        "memory MiB",
        "log MiB",
    ];
    line(&row("after", &columns.map(str::to_owned)));
    for n in 1..=LINES {
        let waited = other.exchange(part);
        let cells = [
            format!("{:.1}", waited.confirmed(0.5)),
            format!("{:.1}", waited.confirmed(0.99)),
            format!("{:.1}", waited.confirmed(1.0)),
            waited.count().to_string(),
            format!("{:.0}", broker.memory_mib()),
            format!("{:.0}", broker.log_mib()),
        ];
        line(&row(&format!("{} s", (part * n).as_secs()), &cells));
    }
    let waited = other.exchange_count(EXCHANGES_AFTER);
    line(&format!(
        "{EXCHANGES_AFTER} exchanges more: confirmed and delivered, p99 {:.1} ms",
        waited.confirmed(0.99)
    ));
    let ends: usize = attacking.iter().map(Attacking::ends).sum();
    line(&format!(
        "{ends} times a thread of the attacker gave up waiting, and began anew"
    ));
    let took = broker.start_again();
    line(&format!(
        "killed, and started again in {:.1} s",
        took.as_secs_f64()
    ));
}
