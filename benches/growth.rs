//! Whether what a message costs grows with what others have: each thing that can grow is made a
//! hundred times as large, and what the core does for a message is timed beside the small one.
//!
//! ```sh
//! cargo bench --bench growth                      # the table
//! cargo bench --bench growth -- --check           # and fails where something grows
//! cargo bench --bench growth -- bindings agencies # of these alone
//! ```
//! The real `Committer` runs on a simulated disk in memory, under the repository's own agencies,
//! message types and policies. The small and the large one are timed in turns, round by round, in
//! the same process, since machines differ and so do minutes: a ratio of their medians is what counts.

#[path = "growth/grown.rs"]
mod grown;
#[path = "../tests/support/options.rs"]
mod options;
#[path = "../tests/support/ring.rs"]
mod ring;
#[path = "growth/timed.rs"]
mod timed;
#[path = "growth/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::Duration;

use grown::{GROWN, Grown};
use timed::{TIMED, Timed};
use world::World;

type Failed = Box<dyn std::error::Error>;

/// So much dearer may something be where a hundred times as much is there.
const RATIO_MAX: f64 = 1.25;
/// A difference below this is the clock's, and the caches'.
const DIFFERENCE_MIN: Duration = Duration::from_nanos(300);
/// Turns of small and large.
const ROUNDS: usize = 9;
/// What seems to grow is measured so many times before it is believed: the machine has neighbours.
const ATTEMPTS: usize = 3;

/// The medians of small and large.
#[derive(Clone, Copy)]
struct Pair {
    small: Duration,
    large: Duration,
}

impl Pair {
    fn ratio(self) -> f64 {
        self.large.as_secs_f64() / self.small.as_secs_f64().max(1e-9)
    }

    fn grows(self) -> bool {
        self.ratio() > RATIO_MAX && self.large.saturating_sub(self.small) > DIFFERENCE_MIN
    }
}

#[expect(clippy::print_stdout, reason = "what a benchmark is for")]
fn line(text: &str) {
    println!("{text}");
}

fn main() -> Result<ExitCode, Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = arguments.iter().any(|argument| argument == "--check");
    let mut named = arguments
        .iter()
        .filter(|it| !it.starts_with("--"))
        .peekable();
    let all = named.peek().is_none();
    let named: Vec<&String> = named.collect();
    let is_named = |grown: &&Grown| all || named.iter().any(|name| grown.name.contains(*name));
    head();
    let mut growing = Vec::new();
    for grown in GROWN.iter().filter(is_named) {
        let pairs = measured(grown)?;
        line(&row(grown, &pairs));
        for (timed, pair) in TIMED.iter().zip(&pairs) {
            if pair.grows() {
                growing.push(format!("{} with {}", timed.name, grown.name));
            }
        }
    }
    if growing.is_empty() {
        line("nothing grows");
        return Ok(ExitCode::SUCCESS);
    }
    line(&format!("grows: {}", growing.join("; ")));
    Ok(if check {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn head() {
    let names: Vec<&str> = TIMED.iter().map(|timed| timed.name).collect();
    line("microseconds with the small number, with the large one, and their ratio");
    line(&format!("| what grows | {} |", names.join(" | ")));
    line(&format!("|---|{}", "---|".repeat(names.len())));
}

fn row(grown: &Grown, pairs: &[Pair]) -> String {
    let cells: Vec<String> = pairs.iter().map(|pair| cell(*pair)).collect();
    let (small, large) = grown.numbers;
    format!(
        "| {}, {small} to {large} | {} |",
        grown.name,
        cells.join(" | ")
    )
}

fn cell(pair: Pair) -> String {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let (small, large) = (micros(pair.small), micros(pair.large));
    format!("{small:.1}, {large:.1}, {:.2}", pair.ratio())
}

/// Every step timed with little and with much of what grows.
fn measured(grown: &Grown) -> Result<Vec<Pair>, Failed> {
    let (small, large) = grown.numbers;
    let mut small = grown.world(small)?;
    let mut large = grown.world(large)?;
    let mut pairs = Vec::new();
    for timed in TIMED {
        let mut pair = compared(timed, &mut small, &mut large)?;
        for _ in 1..ATTEMPTS {
            if !pair.grows() {
                break;
            }
            let again = compared(timed, &mut small, &mut large)?;
            if again.ratio() < pair.ratio() {
                pair = again;
            }
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

fn compared(timed: &Timed, small: &mut World, large: &mut World) -> Result<Pair, Failed> {
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_small.push(round(timed, small)?);
        of_large.push(round(timed, large)?);
    }
    Ok(Pair {
        small: median(of_small),
        large: median(of_large),
    })
}

fn round(timed: &Timed, world: &mut World) -> Result<Duration, Failed> {
    let took: Result<Vec<Duration>, Failed> =
        (0..timed.times).map(|_| (timed.run)(world)).collect();
    Ok(median(took?))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
