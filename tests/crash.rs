//! `kill -9` of the real process, again and again, under load from publishers that wait for confirms.
//!
//! Afterwards: every confirmed message is at its recipient and in its sender's receipts, once; nothing
//! was delivered that the log does not hold, for then its number would have gone to another message;
//! what came twice said so.
#![cfg(test)]

#[path = "crash/broker.rs"]
mod broker;
#[path = "crash/clients.rs"]
mod clients;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/served.rs"]
mod served;
#[path = "crash/told.rs"]
mod told;

use std::sync::Arc;
use std::thread;

use broker::Broker;
use clients::Place;
use told::Told;

const KILLS: u64 = 20;
const EVENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/messages/movement.event/examples/valid/arrived.json"
);

/// Two publishers of the post, customs' inbox, the post's receipts; ends with the publishers.
fn clients(place: &Place) {
    // A process has one TLS provider, chosen once.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let example = serde_json::from_slice(&clients::read(EVENT)).expect("JSON");
    runtime.expect("a runtime").block_on(async {
        let inbox = clients::consume(place.clone(), "customs-declarations", "inbox");
        let receipts = clients::consume(place.clone(), "post-items", "receipts");
        let publishers = futures_util::future::join(
            clients::publish(place.clone(), "a", &example),
            clients::publish(place.clone(), "b", &example),
        );
        let consumers = futures_util::future::join(inbox, receipts);
        let all_there = async {
            publishers.await;
            let mut clock = tokio::time::interval(std::time::Duration::from_millis(50));
            while !place.told.lock().all_is_there() {
                clock.tick().await;
            }
        };
        tokio::select! {
            () = all_there => {}
            _ = consumers => {}
        }
    });
}

#[test]
fn killed_twenty_times_under_load_it_loses_and_invents_nothing() {
    let mut broker = Broker::start();
    let told = Arc::new(Told::default());
    let place = Place {
        port: broker.port(),
        certs: broker.certs(),
        told: Arc::clone(&told),
    };
    let running = thread::spawn(move || clients(&place));
    // splitmix64's constant: kills come after so many further confirms, no two alike.
    let mut moment = 0_u64;
    for kill in 1..=KILLS {
        moment = moment.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let further = usize::try_from(20 + (moment >> 32) % 300).unwrap();
        let until = told.lock().confirmed.len() + further;
        told.wait_until("confirms", |state| state.confirmed.len() >= until);
        broker.kill_and_restart();
        assert!(!running.is_finished(), "clients gave up at kill {kill}");
    }
    told.change(|state| state.finishing = true);
    told.wait_until("the end", told::State::all_is_there);
    running.join().expect("no client panicked");
    let state = told.lock();
    state.is_whole();
    assert!(state.redelivered > 0, "no kill found anything on its way");
    println!(
        "{KILLS} kills: {} published, {} confirmed, {} delivered, {} of them again, {} receipts, {} connections of publishers",
        state.published.len(),
        state.confirmed.len(),
        state.delivered.len(),
        state.redelivered,
        state.receipts.len(),
        state.reconnected
    );
}
